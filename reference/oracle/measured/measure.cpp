#include "reference/oracle/measured/measure.h"

#include <algorithm>
#include <functional>

#include "reference/oracle/measured/channel_map.h"
#include "reference/oracle/measured/contributions.h"
#include "reference/oracle/measured/factor.h"
#include "reference/oracle/measured/head_map.h"
#include "reference/oracle/measured/head_scale.h"
#include "reference/oracle/measured/key_weights.h"
#include "reference/oracle/measured/lse_relation.h"
#include "reference/oracle/measured/places.h"
#include "reference/oracle/measured/row_sum.h"

namespace ringattn {

namespace {

using Submitted = std::optional<TensorView<const double>>;

using Finder = std::function<void(const RecordedTensor&, const WrongPart&, Explanations&)>;

// Whether some finder explains each row
bool all_explained(const std::vector<Explanations>& of_finders, std::size_t rows) {
  for (std::size_t n = 0; n < rows; ++n)
    if (std::none_of(of_finders.begin(), of_finders.end(),
                     [n](const Explanations& explanations) { return explanations[n].has_value(); }))
      return false;
  return true;
}

// The finders on every part of a tensor. Those that cost more come later, and are not needed once all rows are explained
// by the same
void measure_tensor(const RecordedTensor& tensor, const std::vector<Finder>& finders, Measurement& result) {
  Measurement::Explained count{tensor.name};
  for (const WrongPart& part : wrong_parts(tensor)) {
    std::vector<Explanations> of_finders;
    std::vector<Finding> findings;
    for (const Finder& find : finders) {
      of_finders.emplace_back(part.rows.size());
      find(tensor, part, of_finders.back());
      if (!all_explained(of_finders, part.rows.size())) continue;
      findings = findings_of(tensor, part, of_finders);
      if (findings.size() == 1) break;
    }
    findings = findings_of(tensor, part, of_finders);
    count.wrong += static_cast<Index>(part.rows.size());
    for (Finding& finding : findings) {
      count.explained += finding.rows;
      result.findings.push_back(std::move(finding));
    }
  }
  result.tensors.push_back(count);
}

// The number of visible keys of each judged row, beyond the first
Matrix<double> other_keys(const Problem<double>& problem, const std::vector<Index>& rows) {
  Matrix<double> count = Matrix<double>::Zero(problem.Q.shape.B, static_cast<Index>(rows.size()));
  for (Index b = 0; b < count.rows(); ++b)
    for (Index n = 0; n < count.cols(); ++n) {
      const RowPosition& query =
          problem.q_positions.of(b)[static_cast<std::size_t>(rows[static_cast<std::size_t>(n)])];
      for (const RowPosition& key : problem.kv_positions.of(b))
        count(b, n) += visible(query, key, problem.scoring.mask);
    }
  return (count.array() - 1).max(0);
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
  auto out = recorded("out", s.out, truth.out, tolerance.out, false);
  const auto lse = recorded("lse", s.lse, truth.lse, tolerance.lse, false);
  if (out) out->freedom = other_keys(problem, judged.rows);
  const RecordedTensor* of_lse = lse ? &*lse : nullptr;
  const auto by_block = [&](DeviceNaming naming) {
    return [&, naming](const auto& t, const auto& part, auto& e) {
      find_block_weights(problem, t, part, sharding, naming, e);
    };
  };
  if (failed("out"))
    measure_tensor(
        *out,
        {find_factor, order, find_places, find_channel_map,
         [&](const auto& t, const auto& part, auto& e) { find_head_map(problem, t, part, e); },
         [&](const auto& t, const auto& part, auto& e) { find_scale(problem, t, of_lse, part, e); },
         [&](const auto& t, const auto& part, auto& e) { find_row_sum(problem, t, part, e); },
         by_block(DeviceNaming::number), by_block(DeviceNaming::step),
         [&](const auto& t, const auto& part, auto& e) { find_distance_weights(problem, t, part, e); },
         [&](const auto& t, const auto& part, auto& e) { find_tile_weights(problem, t, part, e); }},
        result);
  if (failed("lse"))
    measure_tensor(
        *lse,
        {[&](const auto& t, const auto& part, auto& e) { find_lse_relation(problem, t, part, e); }, order,
         find_places, [&](const auto& t, const auto& part, auto& e) { find_head_map(problem, t, part, e); },
         [&](const auto& t, const auto& part, auto& e) { find_scale(problem, t, nullptr, part, e); }},
        result);
  if (!judged.gradients) return result;

  const auto by_part = [&](DeviceNaming naming) {
    return [&, naming](const auto& t, const auto& part, auto& e) {
      find_contributions(problem, s.cotangents, sharding, naming, t, part, e);
    };
  };
  const auto exchange = [&](const auto& t, const auto& part, auto& e) {
    find_exchange(judged.gradients->truth, t, part, e);
  };
  const std::vector<Finder> of_gradients{find_factor,
                                         order,
                                         find_places,
                                         find_channel_map,
                                         exchange,
                                         by_part(DeviceNaming::number),
                                         by_part(DeviceNaming::step)};
  const auto measure_gradient = [&](const char* name, const Submitted& found, const Tensor<double>& right,
                                    const Tensor<double>& allowed, bool of_keys) {
    if (!failed(name)) return;
    auto gradient = recorded(name, found, right, allowed, of_keys);
    if (!of_keys) gradient->freedom = other_keys(problem, judged.rows);
    measure_tensor(*gradient, of_gradients, result);
  };
  const Gradients<double>&gradient = judged.gradients->truth, &bound = judged.gradients->tolerance;
  measure_gradient("dq", s.dq, gradient.dq, bound.dq, false);
  measure_gradient("dk", s.dk, gradient.dk, bound.dk, true);
  measure_gradient("dv", s.dv, gradient.dv, bound.dv, true);
  return result;
}

}  // namespace ringattn
