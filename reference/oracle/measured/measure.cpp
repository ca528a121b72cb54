#include "reference/oracle/measured/measure.h"

#include <algorithm>
#include <functional>

#include "reference/oracle/measured/channel_map.h"
#include "reference/oracle/measured/factor.h"
#include "reference/oracle/measured/head_map.h"
#include "reference/oracle/measured/head_scale.h"
#include "reference/oracle/measured/lse_relation.h"
#include "reference/oracle/measured/places.h"
#include "reference/oracle/measured/row_sum.h"

namespace ringattn {

namespace {

using Submitted = std::optional<TensorView<const double>>;

// Finds one kind of explanation for the rows of a part that have none
using Finder = std::function<void(const RecordedTensor&, const WrongPart&, Explanations&)>;

// Every finder on every part of a tensor, in order: a row keeps the first explanation that is no chance
void measure_tensor(const RecordedTensor& tensor, const std::vector<Finder>& finders, Measurement& result) {
  Measurement::Explained count{tensor.name};
  for (const WrongPart& part : wrong_parts(tensor)) {
    Explanations explanations(part.rows.size());
    for (const Finder& find : finders) {
      Explanations found = explanations;
      find(tensor, part, found);
      for (std::size_t n = 0; n < found.size(); ++n)
        if (explanations[n]) found[n].reset();
      for (Finding& finding : findings_of(tensor, part, found)) result.findings.push_back(std::move(finding));
      for (std::size_t n = 0; n < found.size(); ++n)
        if (found[n]) explanations[n] = found[n];
    }
    count.wrong += static_cast<Index>(part.rows.size());
    count.explained += std::count_if(explanations.begin(), explanations.end(),
                                     [](const auto& explanation) { return explanation.has_value(); });
  }
  result.tensors.push_back(count);
}

}  // namespace

Measurement measure(const Submission& s, const JudgedResults& judged) {
  const Problem<double>& problem = s.problem;
  const Sharding sharding(s.layout, s.devices, problem.Q.shape.S, problem.K.shape.S);
  const auto verdict_on = [&](const char* name) -> const TensorVerdict* {
    for (const TensorVerdict& verdict : judged.verdicts)
      if (verdict.tensor == name) return &verdict;
    return nullptr;
  };
  const auto recorded = [&](const char* name, const Submitted& found, const Tensor<double>& truth,
                            const Tensor<double>& tolerance, bool of_keys) -> std::optional<RecordedTensor> {
    const TensorVerdict* verdict = verdict_on(name);
    if (!found || !verdict) return std::nullopt;
    const std::vector<Index>& rows = of_keys ? judged.keys : judged.rows;
    return record(
        name, select_rows(*found, rows), truth, tolerance, verdict->note_limit,
        {truth.shape().B, truth.shape().H, rows, of_keys ? &sharding.keys : &sharding.queries, of_keys});
  };
  const auto failed = [&](const char* name) {
    const TensorVerdict* verdict = verdict_on(name);
    return verdict && verdict->status == Status::fail;
  };

  Measurement result;
  const auto order = [&](const auto& t, const auto& part, auto& e) { find_order(t, part, s.devices, e); };
  const auto [truth, tolerance, magnitude] = judged.forward;
  const auto out = recorded("out", s.out, truth.out, tolerance.out, false),
             lse = recorded("lse", s.lse, truth.lse, tolerance.lse, false);
  const RecordedTensor* of_lse = lse ? &*lse : nullptr;
  if (failed("out"))
    measure_tensor(
        *out,
        {find_factor, order, find_places, find_channel_map,
         [&](const auto& t, const auto& part, auto& e) { find_head_map(problem, t, part, e); },
         [&](const auto& t, const auto& part, auto& e) { find_scale(problem, t, of_lse, part, e); },
         [&](const auto& t, const auto& part, auto& e) { find_row_sum(problem, t, part, e); }},
        result);
  if (failed("lse"))
    measure_tensor(*lse,
                   {[&](const auto& t, const auto& part, auto& e) { find_lse_relation(problem, t, part, e); },
                    order, find_places},
                   result);
  if (!judged.gradients) return result;

  const std::vector<Finder> of_gradients{find_factor, order, find_places, find_channel_map};
  const auto measure_gradient = [&](const char* name, const Submitted& found, const Tensor<double>& right,
                                    const Tensor<double>& allowed, bool of_keys) {
    if (failed(name)) measure_tensor(*recorded(name, found, right, allowed, of_keys), of_gradients, result);
  };
  const Gradients<double>&gradient = judged.gradients->truth, &bound = judged.gradients->tolerance;
  measure_gradient("dq", s.dq, gradient.dq, bound.dq, false);
  measure_gradient("dk", s.dk, gradient.dk, bound.dk, true);
  measure_gradient("dv", s.dv, gradient.dv, bound.dv, true);
  return result;
}

}  // namespace ringattn
