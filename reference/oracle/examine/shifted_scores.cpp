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

// Ordinary numbers with a constant added to all scores of a row: _part_of_row_(i) x shift. One channel of Q and K makes
// the constant
template <class PartOfRow>
QueriesAndKeys shifted_inputs(const ExaminationState& state, const PartOfRow& part_of_row) {
  const ExaminedAttention& a = state.attention;
  QueriesAndKeys inputs = state.ordinary_inputs;
  const double scale = a.scoring.scale(a.q.D), size = four_bits(std::sqrt(shift / std::abs(scale)));
  for (Index b = 0; b < a.k.B; ++b)
    for (Index g = 0; g < a.k.H; ++g) inputs.K.head(b, g).col(0).setConstant(size);
  for (Index b = 0; b < a.q.B; ++b)
    for (Index h = 0; h < a.q.H; ++h)
      for (Index i = 0; i < a.q.S; ++i)
        inputs.Q(b, i, h, 0) = four_bits(part_of_row(i) * (scale > 0 ? size : -size));
  return inputs;
}

// -shift, 0 or +shift in turn
double in_turn(Index i) { return static_cast<double>(i % 3 - 1); }

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

// The rows of a kind whose error is more than a note, and the largest error
struct WrongShiftedRows {
  std::vector<HeadRows> where;
  double worst = 0;
};

template <class IsOfKind>
WrongShiftedRows wrong_rows(const ShiftedResult& result, const IsOfKind& is_of_kind) {
  const Shape& shape = result.right.shape();
  WrongShiftedRows wrong;
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h) {
      HeadRows rows{b, h, {}};
      for (Index i = 0; i < shape.S; ++i) {
        if (!is_of_kind(i)) continue;
        double error = 0;
        for (Index d = 0; d < shape.D; ++d)
          error = std::max(error, error_in_tolerances(result.found(b, i, h, d), result.right(b, i, h, d),
                                                      result.tolerance(b, i, h, d)));
        if (!(error <= largest_note)) rows.rows.push_back(i), wrong.worst = std::max(wrong.worst, error);
      }
      if (!rows.rows.empty()) wrong.where.push_back(rows);
    }
  return wrong;
}

// A finding of the rows, without rows if none is wrong
Finding wrong_finding(const ShiftedResult& result, const WrongShiftedRows& wrong,
                      std::map<std::string, double> numbers) {
  Finding finding{
      .kind = FindingKind::shifted_scores_wrong, .where = wrong.where, .numbers = std::move(numbers)};
  finding.numbers["greatest_error"] = wrong.worst;
  finding.tensor = result.name;
  finding.subject = std::isfinite(wrong.worst) ? "" : "not finite";
  return finding;
}

// A result that has the rows of queries, by the sign of their shift
std::vector<std::pair<double, Finding>> findings_of_queries(const ShiftedResult& result) {
  std::vector<std::pair<double, Finding>> findings;
  for (const double sign : {-1.0, 1.0}) {
    const WrongShiftedRows wrong = wrong_rows(result, [sign](Index i) { return in_turn(i) == sign; });
    if (!wrong.where.empty())
      findings.emplace_back(sign, wrong_finding(result, wrong, {{"shift", shift * sign}}));
  }
  return findings;
}

// ---- From which shift on rows are wrong --------------------------------------------

// The result if all scores of all rows are shifted by _part_ x shift: the rows that are wrong, and what they hold.
struct RowsAtShift {
  std::vector<HeadRows> where;
  bool zero = true, no_key = true;  // in all wrong rows: out is 0, lse is -inf
};

RowsAtShift rows_at_shift(ExaminationState& state, double part) {
  const ExaminedAttention& a = state.attention;
  const QueriesAndKeys inputs = shifted_inputs(state, [part](Index) { return part; });
  const BoundedAttention bounded =
      bound_attention(a.problem(inputs.Q, inputs.K, state.ordinary_V), all_rows(a.q.S), a.declared);
  const AttentionOutput<double> found = state.prober.forward(inputs, state.ordinary_V);
  const ShiftedResult result{"", found.out, bounded.truth.out, bounded.tolerance.out};
  RowsAtShift rows;
  rows.where = wrong_rows(result, [](Index) { return true; }).where;
  for (const HeadRows& each : rows.where)
    for (const Index i : each.rows) {
      rows.zero = rows.zero && (found.out.head(each.b, each.h).row(i).array() == 0).all();
      rows.no_key = rows.no_key && found.lse.size() > 0 && found.lse(each.b, i, each.h, 0) == -INFINITY;
    }
  return rows;
}

// If a shift of one sign is wrong: all rows that it makes wrong, what they hold, and the least shift that does
void measure_shift(ExaminationState& state, Finding& finding, double sign) {
  constexpr int halvings = 5;
  const RowsAtShift rows = rows_at_shift(state, sign);
  if (rows.where.empty()) return;
  finding.where = rows.where;
  finding.quoted = !rows.zero ? "" : rows.no_key ? "0, and lse -inf" : "0";
  double right = 0, wrong = 1;
  for (int n = 0; n < halvings; ++n) {
    const double part = (right + wrong) / 2;
    (rows_at_shift(state, sign * part).where.empty() ? right : wrong) = part;
  }
  finding.numbers["greatest_right_shift"] = right * shift,
  finding.numbers["least_wrong_shift"] = wrong * shift;
}

}  // namespace

// softmax(S + c) = softmax(S): a constant added to all scores of a row changes lse only
void check_shifted_scores(ExaminationState& state) {
  const ExaminedAttention& a = state.attention;
  if (!can_be_shifted(a)) return;
  const QueriesAndKeys inputs = shifted_inputs(state, in_turn);
  const BoundedAttention bounded =
      bound_attention(a.problem(inputs.Q, inputs.K, state.ordinary_V), all_rows(a.q.S), a.declared);
  const AttentionOutput<double> found = state.prober.forward(inputs, state.ordinary_V);
  for (auto& [sign, finding] :
       findings_of_queries({"", found.out, bounded.truth.out, bounded.tolerance.out})) {
    measure_shift(state, finding, sign);
    state.findings.add(finding);
  }
}

void check_shifted_gradients(ExaminationState& state, const Tensor<double>& dout) {
  const ExaminedAttention& a = state.attention;
  if (!can_be_shifted(a)) return;
  const QueriesAndKeys inputs = shifted_inputs(state, in_turn);
  const Problem<double> problem = a.problem(inputs.Q, inputs.K, state.ordinary_V);
  const std::vector<Index> rows = all_rows(a.q.S);
  const BoundedGradients bounded = bound_attention_vjp(
      problem, rows, bound_attention(problem, rows, a.declared).truth, {dout, {}}, a.declared);
  const Gradients<double> found = state.prober.backward(inputs, state.ordinary_V, dout);
  for (const auto& [sign, finding] :
       findings_of_queries({"dq", found.dq, bounded.truth.dq, bounded.tolerance.dq}))
    state.findings.add(finding);
  for (const ShiftedResult& result : {ShiftedResult{"dk", found.dk, bounded.truth.dk, bounded.tolerance.dk},
                                      ShiftedResult{"dv", found.dv, bounded.truth.dv, bounded.tolerance.dv}})
    if (const WrongShiftedRows wrong = wrong_rows(result, [](Index) { return true; }); !wrong.where.empty()) {
      Finding finding = wrong_finding(result, wrong, {});
      finding.of_keys = true;
      state.findings.add(finding);
    }
}

}  // namespace ringattn
