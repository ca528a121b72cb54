#pragma once

#include <algorithm>

#include "tests/oracle/result_of_mistake.h"

namespace ringattn {

// A problem on a ring of devices, its correct result, and the results of mistakes.
struct Ring {
  Ring(RandomProblem<double> problem, Layout layout, int devices)
      : drawn(std::move(problem)), sim(simulate(drawn, devices, layout)), right(sim.run(correct_weights)) {}
  Ring(const Ring&) = delete;  // sim refers to drawn

  AttentionOutput<double> of(const std::string& id, const std::string& said = "") const {
    return result_of_mistake(sim, id, said);
  }

  // The total weight, in row _i_, of the block that arrives at its device in _step_; requires show_weights()
  double mass(const AttentionOutput<double>& found, Index i, int step) const {
    double sum = 0;
    const Sharding& sharding = sim.sharding();
    for (const Index j : sharding.keys.rows_of(sharding.owner_at(sharding.queries.device_of(i), step)))
      sum += found.out(0, i, 0, j);
    return sum;
  }

  RandomProblem<double> drawn;
  Simulation sim;
  AttentionOutput<double> right;
};

// All scores are 0 and the values one-hot, so that out exp(lse) counts how often a row attended to each key
inline RandomProblem<double> counting_problem(Index Sq, Index Skv) {
  Random random(1);
  RandomProblem<double> p = normal_problem(random, {.Sq = Sq, .Skv = Skv, .D = 3, .Dv = Skv});
  p.Q.head(0, 0).setZero();
  p.V.head(0, 0).setIdentity();
  return p;
}

// Four devices with one query row and four keys each
inline const Ring& four_devices() {
  static const Ring ring(counting_problem(4, 16), Layout::contiguous, 4);
  return ring;
}

// Equal up to the roundings of a few merges. Unlike nearly(), NaN differs from everything, including NaN.
inline bool near(double a, double b) { return a == b || std::abs(a - b) <= 1e-11 * (1 + std::abs(b)); }

inline bool same(const Tensor<double>& a, const Tensor<double>& b) {
  return a.shape() == b.shape() && std::equal(a.data(), a.data() + a.size(), b.data(), near);
}

inline bool same(const AttentionOutput<double>& a, const AttentionOutput<double>& b) {
  return same(a.out, b.out) && same(a.lse, b.lse);
}

}  // namespace ringattn
