#pragma once

#include <algorithm>

#include "tests/oracle/mistaken.h"

namespace ringattn {

// A problem on a ring of devices: what is right there, and what a mistake makes of it
struct Ring {
  Ring(RandomProblem<double> problem, Layout layout, int devices)
      : drawn(std::move(problem)), sim(simulate(drawn, devices, layout)), right(sim.run(weigh_rightly)) {}
  Ring(const Ring&) = delete;  // sim looks at drawn

  Attended<double> of(const std::string& id, const std::string& said = "") const {
    return mistaken(sim, id, said);
  }

  // The weight of the block that row _i_ meets at a step, where out shows the weights
  double mass(const Attended<double>& found, Index i, int step) const {
    double sum = 0;
    const Spread& spread = sim.spread();
    for (const Index j : spread.keys.rows_of(spread.owner_at(spread.queries.device_of(i), step)))
      sum += found.out(0, i, 0, j);
    return sum;
  }

  RandomProblem<double> drawn;
  Simulation sim;
  Attended<double> right;
};

// Equal but for the roundings of a few merges. Unlike nearly(): a NaN is near nothing, not even a NaN.
inline bool near(double a, double b) { return a == b || std::abs(a - b) <= 1e-11 * (1 + std::abs(b)); }

inline bool same(const Tensor<double>& a, const Tensor<double>& b) {
  return a.shape() == b.shape() && std::equal(a.data(), a.data() + a.size(), b.data(), near);
}

inline bool same(const Attended<double>& a, const Attended<double>& b) {
  return same(a.out, b.out) && same(a.lse, b.lse);
}

}  // namespace ringattn
