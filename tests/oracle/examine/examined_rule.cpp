#include "tests/oracle/examine/examined_rule.h"

#include <doctest/doctest.h>

#include "reference/definition/softmax.h"

namespace ringattn {

ExaminedRule::ExaminedRule(Precision precision, Index Sq, Index Skv) {
  attention.q = {2, Sq, 6, 24}, attention.k = {2, Skv, 2, 24}, attention.v = {2, Skv, 2, 11};
  attention.q_positions = consecutive_positions(Sq, causal_offset(CausalAlign::bottom_right, Sq, Skv));
  attention.kv_positions = consecutive_positions(Skv);
  attention.scoring.mask.causal = true;
  const Dtype stored = precision == Precision::bf16  ? Dtype::bf16
                       : precision == Precision::f16 ? Dtype::f16
                                                     : Dtype::f32;
  attention.declared = {.implementation = precision, .stored = stored};
  attention.devices = 3;
  set([this](const Problem<double>& problem, Index b, Index h) { return right(problem, b, h); });
}

HeadResult ExaminedRule::right(const Problem<double>& problem, Index b, Index h) const {
  return of_scores(problem, scores(problem, b, h), b, h);
}

HeadResult ExaminedRule::of_scores(const Problem<double>& problem, Matrix<double> S, Index b, Index h) {
  HeadResult result{std::move(S), {}, b, problem.kv_head(h)};
  result.lse = softmax_rows(result.weights);
  return result;
}

void ExaminedRule::set(const Rule& rule) {
  attention.forward = [this, rule](const Problem<double>& problem) {
    const Shape out = problem.out_shape();
    AttentionOutput<double> result{Tensor<double>(out), row_tensor<double>(out.B, out.S, out.H)};
    for (Index b = 0; b < out.B; ++b)
      for (Index h = 0; h < out.H; ++h) {
        HeadResult head = rule(problem, b, h);
        for (Index n = 0; n < head.weights.size(); ++n)
          head.weights.data()[n] = rounded_to(attention.declared.implementation, head.weights.data()[n]);
        result.out.head(b, h) = head.weights * problem.V.head(head.value_batch, head.value_head);
        result.lse.head(b, h) = head.lse;
      }
    return rounded(std::move(result));
  };
}

void ExaminedRule::set_changed_problem(const Change& change) {
  attention.forward = [this, change](Problem<double> problem) {
    change(problem);
    return rounded(ringattn::attention(problem));
  };
}

AttentionOutput<double> ExaminedRule::rounded(AttentionOutput<double> result) const {
  round_to(attention.declared.stored, result.out);
  round_to(attention.declared.lse_stored, result.lse);
  return result;
}

int ExaminedRule::device_of_row(Index i) const {
  return RowSharding(attention.layout, attention.devices, attention.q.S).device_of(i);
}

int ExaminedRule::device_of_key(Index j) const {
  return RowSharding(attention.layout, attention.devices, attention.k.S).device_of(j);
}

std::optional<Finding> only(const Examination& examination, FindingKind kind) {
  std::optional<Finding> found;
  for (const Finding& finding : examination.findings)
    if (finding.kind == kind) {
      if (found) return std::nullopt;
      found = finding;
    }
  return found;
}

Finding the_only(const Examination& examination, FindingKind kind) {
  CAPTURE(kinds_of(examination));
  const std::optional<Finding> found = only(examination, kind);
  REQUIRE(found.has_value());
  CHECK(examination.findings.size() == 1);
  return *found;
}

std::string kinds_of(const Examination& examination) {
  std::string kinds;
  for (const Finding& finding : examination.findings) kinds += std::string(name(finding.kind)) + " ";
  return kinds;
}

}  // namespace ringattn
