#include <algorithm>
#include <cmath>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/error_bound/error_bound_vjp.h"
#include "reference/oracle/examine/examination.h"
#include "reference/oracle/verdict/tensor_verdict.h"

namespace ringattn {

namespace {

constexpr double shift = 200;  // exp overflows and underflows there in types of 32 bits and fewer

// Ordinary numbers with a constant added to all scores of a row: -shift, 0 or +shift in turn. One channel of Q and K
// makes the constant
QueriesAndKeys shifted_inputs(const ExaminationState& state) {
  const ExaminedAttention& a = state.attention;
  QueriesAndKeys inputs = state.ordinary_inputs;
  const double scale = a.scoring.scale(a.q.D), size = four_bits(std::sqrt(shift / std::abs(scale)));
  for (Index b = 0; b < a.k.B; ++b)
    for (Index g = 0; g < a.k.H; ++g) inputs.K.head(b, g).col(0).setConstant(size);
  for (Index b = 0; b < a.q.B; ++b)
    for (Index h = 0; h < a.q.H; ++h)
      for (Index i = 0; i < a.q.S; ++i)
        inputs.Q(b, i, h, 0) = static_cast<double>(i % 3 - 1) * (scale > 0 ? size : -size);
  return inputs;
}

// A soft-cap limits the scores, without a scale there are none, and float64 has the range for all
bool can_be_shifted(const ExaminedAttention& a) {
  return a.scoring.softcap == 0 && a.scoring.scale(a.q.D) != 0 && a.q.D > 1 && a.q.S >= 3 &&
         a.declared.implementation != Precision::f64;
}

// A tensor under shifted scores.
struct ShiftedResult {
  const char* name;
  const Tensor<double>&found, &right, &tolerance;
};

// The rows of a kind whose error is more than a note
template <class IsOfKind>
void add_wrong_rows(ExaminationState& state, const ShiftedResult& result, Finding finding,
                    const IsOfKind& is_of_kind) {
  const Shape& shape = result.right.shape();
  double& worst = finding.numbers["greatest_error"];
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h) {
      HeadRows rows{b, h, {}};
      for (Index i = 0; i < shape.S; ++i) {
        if (!is_of_kind(i)) continue;
        double error = 0;
        for (Index d = 0; d < shape.D; ++d)
          error = std::max(error, error_in_tolerances(result.found(b, i, h, d), result.right(b, i, h, d),
                                                      result.tolerance(b, i, h, d)));
        if (!(error <= largest_note)) rows.rows.push_back(i), worst = std::max(worst, error);
      }
      if (!rows.rows.empty()) finding.where.push_back(rows);
    }
  finding.kind = FindingKind::shifted_scores_wrong, finding.tensor = result.name;
  finding.subject = std::isfinite(worst) ? "" : "not finite";
  if (!finding.where.empty()) state.findings.add(finding);
}

// A result that has the rows of queries, by the sign of their shift
void add_wrong_queries(ExaminationState& state, const ShiftedResult& result) {
  for (const Index sign : {-1, 1})
    add_wrong_rows(state, result, {.kind = {}, .numbers = {{"shift", shift * static_cast<double>(sign)}}},
                   [sign](Index i) { return i % 3 - 1 == sign; });
}

}  // namespace

// softmax(S + c) = softmax(S): a constant added to all scores of a row changes lse only
void check_shifted_scores(ExaminationState& state) {
  const ExaminedAttention& a = state.attention;
  if (!can_be_shifted(a)) return;
  const QueriesAndKeys inputs = shifted_inputs(state);
  const BoundedAttention bounded =
      bound_attention(a.problem(inputs.Q, inputs.K, state.ordinary_V), all_rows(a.q.S), a.declared);
  const AttentionOutput<double> found = state.prober.forward(inputs, state.ordinary_V);
  add_wrong_queries(state, {"", found.out, bounded.truth.out, bounded.tolerance.out});
}

void check_shifted_gradients(ExaminationState& state, const Tensor<double>& dout) {
  const ExaminedAttention& a = state.attention;
  if (!can_be_shifted(a)) return;
  const QueriesAndKeys inputs = shifted_inputs(state);
  const Problem<double> problem = a.problem(inputs.Q, inputs.K, state.ordinary_V);
  const std::vector<Index> rows = all_rows(a.q.S);
  const BoundedGradients bounded = bound_attention_vjp(
      problem, rows, bound_attention(problem, rows, a.declared).truth, {dout, {}}, a.declared);
  const Gradients<double> found = state.prober.backward(inputs, state.ordinary_V, dout);
  add_wrong_queries(state, {"dq", found.dq, bounded.truth.dq, bounded.tolerance.dq});
  for (const ShiftedResult& result : {ShiftedResult{"dk", found.dk, bounded.truth.dk, bounded.tolerance.dk},
                                      ShiftedResult{"dv", found.dv, bounded.truth.dv, bounded.tolerance.dv}})
    add_wrong_rows(state, result, {.kind = {}, .of_keys = true}, [](Index) { return true; });
}

}  // namespace ringattn
