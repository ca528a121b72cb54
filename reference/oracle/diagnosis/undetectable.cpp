#include "reference/oracle/diagnosis/undetectable.h"

#include <algorithm>
#include <optional>

#include "reference/definition/error/chunked.h"
#include "reference/definition/error/row_sample.h"
#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/diagnosis/diagnosis.h"
#include "reference/oracle/diagnosis/fitted_scale.h"

namespace ringattn {

namespace {

using Mistakes = std::vector<const Mistake*>;

// Whether a mistake that gives _simulated_ would fail
bool fails(const Tensor<double>& simulated, const Tensor<double>& truth, const Tensor<double>& tolerance) {
  return judge_tensor("a simulated result", simulated, truth, tolerance).status == Status::fail;
}

// The variants of a mistake. S0 has none in the catalogue, because its scale is fitted to a result
Variants variants_of(const Mistake& mistake, const Simulation& simulation) {
  return mistake.id == "S0" ? example_scales() : mistake.variants(simulation);
}

// The mistakes of which no variant is detected
template <class Detected>
Mistakes not_detected(const Mistakes& mistakes, const Simulation& simulation, const Detected& detected) {
  std::vector<char> found(mistakes.size());
  parallel_for(static_cast<Index>(mistakes.size()), [&](Index n) {
    const auto place = static_cast<std::size_t>(n);
    const Variants variants = variants_of(*mistakes[place], simulation);
    found[place] = std::any_of(variants.begin(), variants.end(),
                               [&](const Variant& variant) { return detected(*mistakes[place], variant); });
  });
  Mistakes undetectable;
  for (std::size_t n = 0; n < mistakes.size(); ++n)
    if (!found[n]) undetectable.push_back(mistakes[n]);
  return undetectable;
}

Mistakes undetectable_in_forward(const Submission& s, const Mistakes& mistakes, Index most_rows) {
  const std::vector<Index> rows = sample_rows(
      s.problem.Q.shape.S, affordable_rows(s.problem, s.devices, most_rows), s.layout, s.devices, 1);
  const Simulation simulation(s.problem, s.layout, s.devices, rows);
  const BoundedAttention bounded = bound_attention(s.problem, rows, s.declared);
  return not_detected(mistakes, simulation, [&](const Mistake& mistake, const Variant& variant) {
    if (!mistake.forward) return false;
    const AttentionOutput<double> simulated = mistake.forward(simulation, variant);
    return (s.out && fails(simulated.out, bounded.truth.out, bounded.tolerance.out)) ||
           (s.lse && fails(simulated.lse, bounded.truth.lse, bounded.tolerance.lse));
  });
}

Mistakes undetectable_in_backward(const Submission& s, const Mistakes& mistakes) {
  const BackwardSimulation simulation(s.problem, s.cotangents, s.layout, s.devices);
  const Simulation forward(s.problem, s.layout, s.devices, {0});
  const BoundedGradients bounded = bound_attention_vjp(s.problem, all_rows(s.problem.Q.shape.S),
                                                       simulation.forward(), s.cotangents, s.declared);
  const Gradients<double>&truth = bounded.truth, &tolerance = bounded.tolerance;
  return not_detected(mistakes, forward, [&](const Mistake& mistake, const Variant& variant) {
    if (!mistake.backward) return false;
    const Gradients<double> simulated = mistake.backward(simulation, variant);
    return (s.dq && fails(simulated.dq, truth.dq, tolerance.dq)) ||
           (s.dk && fails(simulated.dk, truth.dk, tolerance.dk)) ||
           (s.dv && fails(simulated.dv, truth.dv, tolerance.dv));
  });
}

}  // namespace

std::vector<std::string_view> UndetectableMistakes::ids() const {
  std::vector<std::string_view> result;
  for (const Mistake* mistake : mistakes) result.push_back(mistake->id);
  return result;
}

UndetectableMistakes find_undetectable_mistakes(const Submission& s) {
  UndetectableMistakes result;
  for (const Mistake& mistake : catalogue()) result.mistakes.push_back(&mistake);

  // Most mistakes are detected on a few rows; try the others on more rows
  if (s.out || s.lse)
    for (const Index most_rows : {16, 256})
      result.mistakes = undetectable_in_forward(s, result.mistakes, most_rows);

  // The backward, if it takes seconds; otherwise drop the mistakes that concern only the backward
  if (!s.dq && !s.dk && !s.dv) return result;
  result.backward_tried = small_enough_for_backward(s.problem);
  if (result.backward_tried)
    result.mistakes = undetectable_in_backward(s, result.mistakes);
  else
    result.mistakes.erase(std::remove_if(result.mistakes.begin(), result.mistakes.end(),
                                         [](const Mistake* mistake) { return !mistake->forward; }),
                          result.mistakes.end());
  return result;
}

}  // namespace ringattn
