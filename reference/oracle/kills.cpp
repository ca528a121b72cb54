#include "reference/oracle/kills.h"

#include <cmath>
#include <set>

#include "reference/definition/truth.h"
#include "reference/oracle/backward_simulation.h"
#include "reference/oracle/catalogue.h"
#include "reference/oracle/gauge.h"
#include "reference/oracle/gauge_vjp.h"
#include "reference/oracle/judgement.h"
#include "reference/oracle/likeness.h"
#include "reference/oracle/on_threads.h"

namespace ringattn {

namespace {

// The loosest gauge there is. The mistaken program may use up its own allowance, in the direction of the
// truth.
constexpr Declared as_bf16{Precision::bf16, Dtype::bf16, Dtype::f32, true};
constexpr double certain_failure = largest_note + 1;

// Smaller changes, beside the largest number of the tensor, are rounding of our own
constexpr double least_change = 1e-9;

template <class Visit>
void for_each_element(const Shape& shape, const Visit& visit) {
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = 0; d < shape.D; ++d) visit(b, s, h, d);
}

// One tensor of the right result, and what it is measured by.
struct Yardstick {
  const Tensor<double>* truth;
  const Tensor<double>* allowance;
  double largest = 0;

  Yardstick(const Tensor<double>& right, const Tensor<double>& allowed) : truth(&right), allowance(&allowed) {
    for_each_element(right.shape(), [&](auto... at) {
      if (const double x = right(at...); std::isfinite(x)) largest = std::max(largest, std::abs(x));
    });
    if (largest == 0) largest = 1;
  }

  bool changed(const Tensor<double>& made) const {
    bool any = false;
    for_each_element(made.shape(), [&](auto... at) {
      const double x = made(at...), y = (*truth)(at...);
      any = any || (x != y && !(std::abs(x - y) <= least_change * largest));
    });
    return any;
  }
  bool failed(const Tensor<double>& made) const {
    return likeness(made.view(), *truth, *truth, *allowance).worst > certain_failure;
  }
};

// A vector with all that its mistakes start from.
struct Stage {
  Submission s;
  std::vector<Index> rows;
  Simulation forward;
  GaugedForward gauged;
  BackwardSimulation backward;
  GaugedGradients gradients;
  Yardstick out{gauged.truth.out, gauged.allowance.out}, lse{gauged.truth.lse, gauged.allowance.lse},
      dq{gradients.truth.dq, gradients.allowance.dq}, dk{gradients.truth.dk, gradients.allowance.dk},
      dv{gradients.truth.dv, gradients.allowance.dv};

  explicit Stage(const GoldenVector& v)
      : s(v.submission(as_bf16)),
        rows(all_rows(s.problem.Q.shape.S)),
        forward(s.problem, v.layout, v.devices, rows),
        gauged(gauge_attention(s.problem, rows, as_bf16)),
        backward(s.problem, s.cotangents, v.layout, v.devices),
        gradients(gauge_attention_vjp(s.problem, rows, gauged.truth, s.cotangents, as_bf16)) {}
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
};

// What a reading does to the results.
struct Fate {
  bool changed = false, failed = false;

  void add(const Yardstick& yardstick, const Tensor<double>& made) {
    changed = changed || yardstick.changed(made);
    failed = failed || yardstick.failed(made);
  }
};

Fate fate_of(const Mistake& mistake, const Reading& reading, const Stage& stage) {
  Fate fate;
  if (mistake.forward) {
    const Attended<double> made = mistake.forward(stage.forward, reading);
    fate.add(stage.out, made.out);
    fate.add(stage.lse, made.lse);
  }
  if (mistake.backward) {
    const Gradients<double> made = mistake.backward(stage.backward, reading);
    fate.add(stage.dq, made.dq);
    fate.add(stage.dk, made.dk);
    fate.add(stage.dv, made.dv);
  }
  return fate;
}

}  // namespace

std::vector<Mutant> mutants(const GoldenVector& vector) {
  const Stage stage(vector);
  std::vector<Mutant> result(catalogue().size());
  on_threads(static_cast<Index>(result.size()), [&](Index n) {
    const Mistake& mistake = catalogue()[static_cast<std::size_t>(n)];
    Mutant& mutant = result[static_cast<std::size_t>(n)];
    mutant.mistake = &mistake;
    for (const Reading& reading : mistake.readings(stage.forward)) {
      const Fate fate = fate_of(mistake, reading, stage);
      ++mutant.readings;
      mutant.changed += fate.changed;
      mutant.failed += fate.changed && fate.failed;
    }
  });
  return result;
}

MutationScore mutation_score(const std::vector<GoldenVector>& vectors) {
  MutationScore score;
  std::set<std::string> possible, killed;
  for (const GoldenVector& vector : vectors) {
    score.kills.emplace_back();
    for (const Mutant& mutant : mutants(vector)) {
      const std::string& id = mutant.mistake->id;
      if (mutant.readings > 0) possible.insert(id);
      if (!mutant.killed()) continue;
      killed.insert(id);
      score.kills.back().push_back(id);
    }
  }
  for (const Mistake& mistake : catalogue())
    if (possible.count(mistake.id) > killed.count(mistake.id)) score.alive.push_back(mistake.id);
  score.killed = static_cast<Index>(killed.size()), score.mistakes = static_cast<Index>(possible.size());
  return score;
}

}  // namespace ringattn
