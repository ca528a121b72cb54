#include "reference/oracle/golden_vectors/mutation_score.h"

#include <cmath>
#include <set>

#include "reference/definition/error/chunked.h"
#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/catalogue/backward_simulation.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/error_bound/error_bound_vjp.h"
#include "reference/oracle/verdict/tensor_verdict.h"

namespace ringattn {

namespace {

// The loosest tolerance in the files of the vectors, which are those of exact weights. A mistaken program may be off by
// one tolerance in the direction of the truth, so a failure is certain only beyond one tolerance more.
constexpr ImplementationPrecision as_bf16{Precision::bf16, Dtype::bf16, Dtype::f32, true, true};
constexpr double certain_failure = largest_note + 1;

// Changes smaller than this, relative to the largest number of the tensor, are rounding of the simulation
constexpr double least_change = 1e-9;

template <class Function>
void for_each_element(const Shape& shape, const Function& visit) {
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = 0; d < shape.D; ++d) visit(b, s, h, d);
}

// One tensor of the correct result, its tolerance, and the magnitude that changes are relative to.
struct TruthTensor {
  const Tensor<double>* truth;
  const Tensor<double>* tolerance;
  double largest = 0;

  TruthTensor(const Tensor<double>& correct, const Tensor<double>& allowed)
      : truth(&correct), tolerance(&allowed) {
    for_each_element(correct.shape(), [&](auto... at) {
      if (const double x = correct(at...); std::isfinite(x)) largest = std::max(largest, std::abs(x));
    });
    if (largest == 0) largest = 1;
  }

  bool changed(const Tensor<double>& simulated) const {
    bool any = false;
    for_each_element(simulated.shape(), [&](auto... at) {
      const double x = simulated(at...), y = (*truth)(at...);
      any = any || (x != y && !(std::abs(x - y) <= least_change * largest));
    });
    return any;
  }
  bool failed(const Tensor<double>& simulated) const {
    return measure_distance(simulated.view(), *truth, *truth, *tolerance).worst > certain_failure;
  }
};

// A vector, its truth, and the simulations of mistakes on it.
struct MutationContext {
  Submission s;
  std::vector<Index> rows;
  Simulation forward;
  BoundedAttention bounded;
  BackwardSimulation backward;
  BoundedGradients gradients;
  TruthTensor out{bounded.truth.out, bounded.tolerance.out}, lse{bounded.truth.lse, bounded.tolerance.lse},
      dq{gradients.truth.dq, gradients.tolerance.dq}, dk{gradients.truth.dk, gradients.tolerance.dk},
      dv{gradients.truth.dv, gradients.tolerance.dv};

  explicit MutationContext(const GoldenVector& v)
      : s(v.submission(as_bf16)),
        rows(all_rows(s.problem.Q.shape.S)),
        forward(s.problem, v.layout, v.devices, rows),
        bounded(bound_attention(s.problem, rows, as_bf16)),
        backward(s.problem, s.cotangents, v.layout, v.devices),
        gradients(bound_attention_vjp(s.problem, rows, bounded.truth, s.cotangents, as_bf16)) {}
  MutationContext(const MutationContext&) = delete;
  MutationContext& operator=(const MutationContext&) = delete;
};

// The effect of a variant on all results of a vector.
struct Effect {
  bool changed = false, failed = false;

  void add(const TruthTensor& tensor, const Tensor<double>& simulated) {
    changed = changed || tensor.changed(simulated);
    failed = failed || tensor.failed(simulated);
  }
};

Effect effect_of(const Mistake& mistake, const Variant& variant, const MutationContext& context) {
  Effect effect;
  if (mistake.forward) {
    const AttentionOutput<double> simulated = mistake.forward(context.forward, variant);
    effect.add(context.out, simulated.out);
    effect.add(context.lse, simulated.lse);
  }
  if (mistake.backward) {
    const Gradients<double> simulated = mistake.backward(context.backward, variant);
    effect.add(context.dq, simulated.dq);
    effect.add(context.dk, simulated.dk);
    effect.add(context.dv, simulated.dv);
  }
  return effect;
}

}  // namespace

std::vector<MutationResult> mutation_results(const GoldenVector& vector) {
  const MutationContext context(vector);
  std::vector<MutationResult> result(catalogue().size());
  parallel_for(static_cast<Index>(result.size()), [&](Index n) {
    const Mistake& mistake = catalogue()[static_cast<std::size_t>(n)];
    MutationResult& mutant = result[static_cast<std::size_t>(n)];
    mutant.mistake = &mistake;
    for (const Variant& variant : mistake.variants(context.forward)) {
      const Effect effect = effect_of(mistake, variant, context);
      ++mutant.variants;
      mutant.changed += effect.changed;
      mutant.failed += effect.changed && effect.failed;
    }
  });
  return result;
}

MutationScore mutation_score(const std::vector<GoldenVector>& vectors) {
  MutationScore score;
  std::set<std::string> possible, killed;
  for (const GoldenVector& vector : vectors) {
    score.kills.emplace_back();
    for (const MutationResult& mutant : mutation_results(vector)) {
      const std::string& id = mutant.mistake->id;
      if (mutant.variants > 0) possible.insert(id);
      if (!mutant.killed()) continue;
      killed.insert(id);
      score.kills.back().push_back(id);
    }
  }

  // Mistakes that are possible somewhere and killed nowhere
  for (const Mistake& mistake : catalogue())
    if (possible.count(mistake.id) > killed.count(mistake.id)) score.alive.push_back(mistake.id);
  score.killed = static_cast<Index>(killed.size()), score.mistakes = static_cast<Index>(possible.size());
  return score;
}

}  // namespace ringattn
