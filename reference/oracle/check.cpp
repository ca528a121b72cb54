#include "reference/oracle/check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>

#include "reference/definition/error/chunked.h"
#include "reference/definition/error/row_sample.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/device_count.h"
#include "reference/oracle/verdict/impossible_rows.h"
#include "reference/oracle/verdict/narrow_numbers.h"
#include "reference/oracle/verdict/resolution.h"

namespace ringattn {

namespace {

constexpr double affordable_products = 2.5e10;  // multiplications of one product (Sq, Skv) that take seconds
constexpr Index usual_sample = 256;             // rows and keys to check in larger cases
constexpr Index impossible_rows = 64;  // rows with NaN or infinities that are judged beside the sample
constexpr Index rows_for_blocks = 256, rows_for_laws = 64;
constexpr Index keys_for_names = Index{1} << 15;  // largest number of keys for a diagnosis

void check_complete(const Submission& s) {
  check(s.problem);
  require(s.out || s.lse || s.dq || s.dk || s.dv || s.dsinks,
          "[check] a submission contains at least one of out, lse, dq, dk, dv and dsinks; found none; add a "
          "result");
  require(!s.dsinks || !s.problem.scoring.sinks.empty(),
          "[check] dsinks belong to sinks; the case has none; add the tensor sinks to it");
  require(!(s.dq || s.dk || s.dv || s.dsinks) || s.cotangents.dout.data || s.problem.Q.shape.S == 0,
          "[check] gradients can only be checked with dout; the case has none; add the tensor dout to it");
  require_device_count("check", s.devices);
  require_finite_results("check", s.problem, s.cotangents, largest_numbers(s.declared));
}

// Multiplications of one product (Sq, Skv)
double products_of(const Problem<double>& problem) {
  const Shape& q = problem.Q.shape;
  return static_cast<double>(q.B * q.H * q.D) * static_cast<double>(q.S) *
         static_cast<double>(problem.K.shape.S);
}

// Adds some impossible rows to a sample
void add_impossible(const std::vector<Index>& impossible, const char* unit, std::vector<Index>& sample,
                    Report& report) {
  if (impossible.empty()) return;
  const auto judged = std::min(impossible.size(), static_cast<std::size_t>(impossible_rows));
  std::set<Index> rows(sample.begin(), sample.end());
  rows.insert(impossible.begin(), impossible.begin() + static_cast<std::ptrdiff_t>(judged));
  sample.assign(rows.begin(), rows.end());
  std::ostringstream remark;
  remark << impossible.size() << " " << unit << " hold a NaN, an infinity or a wrong lse = -inf; the first "
         << judged << " of them were checked beside the sample";
  report.remarks.push_back(remark.str());
}

// Sets the rows and keys to check: all of them, or a sample
void choose_rows(const Submission& s, const CheckOptions& options, Report& report) {
  const Shape &q = s.problem.Q.shape, &k = s.problem.K.shape;
  const Index wanted = options.rows > 0                                ? options.rows
                       : products_of(s.problem) <= affordable_products ? std::max(q.S, k.S)
                                                                       : usual_sample;
  report.rows = sample_rows(q.S, wanted, s.layout, s.devices, options.seed);
  report.keys = sample_rows(k.S, wanted, s.layout, s.devices, options.seed + 1);
  report.sampled =
      static_cast<Index>(report.rows.size()) < q.S || static_cast<Index>(report.keys.size()) < k.S;
  if (!report.sampled) return;
  const ImpossibleRows impossible = find_impossible_rows(s);
  add_impossible(impossible.queries, "queries", report.rows, report);
  add_impossible(impossible.keys, "keys", report.keys, report);
}

// Judges one tensor on the rows _rows_ if it was submitted; _stored_ is its type
void judge_into(Report& report, const char* tensor, const std::optional<TensorView<const double>>& found,
                const std::vector<Index>& rows, const Tensor<double>& truth, const Tensor<double>& tolerance,
                const Tensor<double>& magnitude, Dtype stored) {
  if (!found) return;
  const double limit = note_limit(tensor, truth, tolerance, magnitude, stored);
  const Shape& whole = found->shape;
  require(whole.S >= (rows.empty() ? 0 : rows.back() + 1), "[check] ", tensor, " must have at least ",
          rows.empty() ? 0 : rows.back() + 1, " rows; found ", whole.S, "; submit all rows");
  report.tensor_verdicts.push_back(judge_tensor(tensor, select_rows(*found, rows), truth, tolerance, limit));

  // From places in the sample to rows of the global sequence
  TensorVerdict& tensor_verdict = report.tensor_verdicts.back();
  for (ElementIndex* place :
       {&tensor_verdict.worst, &tensor_verdict.max_abs_place, &tensor_verdict.max_rel_place})
    if (!rows.empty()) place->s = rows[static_cast<std::size_t>(place->s)];

  // What the case cannot show
  const Index heads = heads_like_zeros(truth, tolerance);
  if (heads == 0) return;
  std::ostringstream remark;
  remark << "zeros are no failure in " << heads << " of " << truth.shape().B * truth.shape().H << " heads of "
         << tensor << ": the right numbers are within 4 tolerances of 0";
  report.remarks.push_back(remark.str());
}

void require_shape(const char* tensor, const std::optional<TensorView<const double>>& found,
                   const Shape& wanted) {
  require(!found || found->shape == wanted, "[check] ", tensor,
          " must have the shape (batch, sequence, heads, head_dim) = ", wanted, "; found ",
          found ? found->shape : Shape{}, "; state the order of its axes with --axes");
}

void require_shapes(const Submission& s) {
  const Shape out = s.problem.out_shape();
  require_shape("out", s.out, out);
  require_shape("lse", s.lse, {out.B, out.S, out.H, 1});
  require_shape("dq", s.dq, s.problem.Q.shape);
  require_shape("dk", s.dk, s.problem.K.shape);
  require_shape("dv", s.dv, s.problem.V.shape);
  require_shape("dsinks", s.dsinks, {1, 1, out.H, 1});
}

// Judges dsinks, which are sums over all query rows
void judge_sinks(const Submission& s, const BoundedGradients& bounded, Report& report) {
  judge_into(report, "dsinks", s.dsinks, {0}, bounded.truth.dsinks, bounded.tolerance.dsinks,
             bounded.magnitude.dsinks, s.declared.stored);
}

// Judges dk and dv of the sampled keys and dsinks, which are sums over all query rows
void judge_keys(const Submission& s, Report& report) {
  if (!s.dk && !s.dv && !s.dsinks) return;
  const std::vector<Index>& keys = report.keys;
  if (products_of(s.problem) <= affordable_products) {
    const std::vector<Index> rows = all_rows(s.problem.Q.shape.S);
    const AttentionOutput<double> forward = bound_attention(s.problem, rows, s.declared).truth;
    const BoundedGradients bounded = bound_attention_vjp(s.problem, rows, forward, s.cotangents, s.declared);
    const auto& [truth, tolerance, magnitude] = bounded;
    const auto of_keys = [&](const Tensor<double>& all) { return select_rows(all.view(), keys); };
    judge_into(report, "dk", s.dk, keys, of_keys(truth.dk), of_keys(tolerance.dk), of_keys(magnitude.dk),
               s.declared.stored);
    judge_into(report, "dv", s.dv, keys, of_keys(truth.dv), of_keys(tolerance.dv), of_keys(magnitude.dv),
               s.declared.stored);
    judge_sinks(s, bounded, report);
    return;
  }
  if (s.dsinks)
    report.remarks.emplace_back("dsinks were not compared, which would take minutes; try fewer tokens");
  if (!s.dk && !s.dv) return;
  report.remarks.emplace_back(
      "dk and dv were tested by the laws, and for NaN and infinities, but not compared, which would take "
      "minutes; try "
      "fewer tokens");
  if (find_impossible_rows(s).keys.empty()) return;

  // Any finite number is within the largest tolerance
  const auto judge_finite = [&](const char* tensor, const std::optional<TensorView<const double>>& found) {
    if (!found) return;
    Shape shape = found->shape;
    shape.S = static_cast<Index>(keys.size());
    Tensor<double> zeros(shape), largest(shape);
    std::fill_n(largest.data(), largest.size(), std::numeric_limits<double>::max());
    judge_into(report, tensor, found, keys, zeros, largest, zeros, s.declared.stored);
  };
  judge_finite("dk", s.dk), judge_finite("dv", s.dv);
}

// Judges the submitted gradients; returns their bounds if all rows were checked
std::optional<BoundedGradients> judge_gradients(const Submission& s, const BoundedAttention& forward,
                                                Report& report) {
  if (!s.dq && !s.dk && !s.dv && !s.dsinks) return std::nullopt;
  const BoundedGradients bounded =
      bound_attention_vjp(s.problem, report.rows, forward.truth, s.cotangents, s.declared);
  const Dtype stored = s.declared.stored;
  judge_into(report, "dq", s.dq, report.rows, bounded.truth.dq, bounded.tolerance.dq, bounded.magnitude.dq,
             stored);
  if (report.sampled) {
    judge_keys(s, report);
    return std::nullopt;
  }
  judge_into(report, "dk", s.dk, report.keys, bounded.truth.dk, bounded.tolerance.dk, bounded.magnitude.dk,
             stored);
  judge_into(report, "dv", s.dv, report.keys, bounded.truth.dv, bounded.tolerance.dv, bounded.magnitude.dv,
             stored);
  judge_sinks(s, bounded, report);
  return bounded;
}

// The tensor with the largest error; nullptr if there are no tensors
const TensorVerdict* worst_of(const Report& report) {
  const auto worst =
      std::max_element(report.tensor_verdicts.begin(), report.tensor_verdicts.end(),
                       [](const TensorVerdict& a, const TensorVerdict& b) { return a.ratio < b.ratio; });
  return worst == report.tensor_verdicts.end() ? nullptr : &*worst;
}

void find_where(const Submission& s, Report& report) {
  const TensorVerdict* worst = worst_of(report);
  if (!worst || worst->status == Status::pass || worst->tensor == "dsinks") return;
  const Sharding sharding(s.layout, s.devices, s.problem.Q.shape.S, s.problem.K.shape.S);
  const bool of_keys = worst->tensor == "dk" || worst->tensor == "dv";
  report.where = of_keys ? locate(*worst, report.keys, sharding.keys, s.problem.kv_positions)
                         : locate(*worst, report.rows, sharding.queries, s.problem.q_positions);
  report.where_tensor = worst->tensor;
}

// Whether one of these tensors failed
bool failed(const Report& report, std::initializer_list<std::string_view> tensors) {
  return std::any_of(
      report.tensor_verdicts.begin(), report.tensor_verdicts.end(), [&](const TensorVerdict& tensor_verdict) {
        return tensor_verdict.status == Status::fail &&
               std::find(tensors.begin(), tensors.end(), tensor_verdict.tensor) != tensors.end();
      });
}

// The largest error of a row in any sequence and head
double largest_of_row(const Tensor<double>& row_ratio, Index row) {
  double largest = 0;
  for (Index b = 0; b < row_ratio.shape().B; ++b)
    for (Index h = 0; h < row_ratio.shape().H; ++h) largest = std::max(largest, row_ratio(b, row, h, 0));
  return largest;
}

// A sample of all rows, and at most as many wrong rows, at even distances from the first to the last
std::vector<Index> rows_to_measure(const Submission& s, const Report& report, const TensorVerdict& out) {
  std::vector<Index> wrong;
  const Tensor<double>& ratio = out.row_ratio;
  for (Index n = 0; n < ratio.shape().S; ++n)
    if (largest_of_row(ratio, n) > out.note_limit) wrong.push_back(report.rows[static_cast<std::size_t>(n)]);
  const std::vector<Index> sample = sample_rows(s.problem.Q.shape.S, rows_for_blocks, s.layout, s.devices, 0);
  std::set<Index> rows(sample.begin(), sample.end());
  const auto count = static_cast<Index>(wrong.size()), taken = std::min(count, rows_for_blocks);
  for (Index n = 0; n < taken; ++n) rows.insert(wrong[static_cast<std::size_t>(n * count / taken)]);
  return {rows.begin(), rows.end()};
}

void measure_blocks(const Submission& s, Report& report) {
  if (!s.out || s.devices == 1 || !failed(report, {"out"})) return;
  const TensorVerdict& out = report.tensor_verdicts.front();
  const std::vector<Index> rows = rows_to_measure(s, report, out);
  const Sharding sharding(s.layout, s.devices, s.problem.Q.shape.S, s.problem.K.shape.S);
  report.blocks = estimate_block_weights(s.problem, sharding, rows, select_rows(*s.out, rows),
                                         bound_attention(s.problem, rows, s.declared), out.note_limit);
}

// Whether mistakes have an effect at all, and can be tried in seconds. The catalogue simulates them without bias,
// boolean mask and dropout
bool nameable(const Submission& s) {
  const Index keys = s.problem.K.shape.S;
  return s.problem.Q.shape.S > 0 && 1 <= keys && keys <= keys_for_names &&
         s.devices <= max_simulated_devices && !s.problem.has_pair_terms();
}

// The submission on the ring on which mistakes are simulated
Submission on_simulated_ring(const Submission& s, Report& report) {
  Submission simulated = s;
  simulated.devices = simulated_devices(s.problem, s.devices);
  if (simulated.devices < s.devices)
    report.remarks.push_back("the case has fewer tokens than devices; mistakes are simulated on a ring of " +
                             std::to_string(simulated.devices) + " devices");
  return simulated;
}

void name_the_mistake(const Submission& s, const std::optional<BoundedGradients>& gradients,
                      const OnStage& on_stage, Report& report) {
  const bool forward_failed = failed(report, {"out", "lse"}),
             backward_failed = failed(report, {"dq", "dk", "dv"});
  if (!forward_failed && !backward_failed) return;
  if (s.problem.has_pair_terms()) {
    report.remarks.emplace_back(
        "the catalogue has no mistakes of cases with a bias, boolean mask or dropout, so none is named, and "
        "weights "
        "of single keys are not measured; try the case without them");
    return;
  }
  if (!nameable(s)) {
    std::ostringstream remark;
    remark << "mistakes can only be named if there are queries, 1 to " << keys_for_names
           << " keys, and at most " << max_simulated_devices
           << " devices with tokens; try a smaller case or a probe";
    report.remarks.push_back(remark.str());
    return;
  }
  if (forward_failed) {
    report.forward = diagnose_forward(s, report.tensor_verdicts, report.rows, on_stage);
    if (!backward_failed) return;
    report.gradients_follow =
        gradients && small_enough_for_backward(s.problem) && gradients_follow(*report.forward, s, *gradients);
    report.remarks.emplace_back(report.gradients_follow
                                    ? "the gradients follow the same convention"
                                    : "mistakes in the gradients are named once the forward is correct");
  } else if (gradients && small_enough_for_backward(s.problem)) {
    report.backward = diagnose_backward(s, *gradients, on_stage);
  } else {
    report.remarks.emplace_back(
        "mistakes of the backward are named up to about 500 tokens and 8 heads; try a smaller case");
  }
}

// An implementation in bf16 whose results were widened has the tolerance of another one
void suggest_precision(const Submission& s, Report& report) {
  const auto narrow = s.out ? narrow_type(*s.out, s.declared.stored) : std::nullopt;
  const Precision declared = s.declared.implementation;
  if (!narrow || declared == Precision::bf16 || declared == Precision::f16 || has_eight_bits(declared))
    return;
  report.remarks.push_back(std::string("every number of out is a ") + name(*narrow) +
                           " number, though stored as " + name(s.declared.stored) +
                           "; if your implementation computes in " + name(*narrow) +
                           ", declare it with implementation = " + name(*narrow));
}

Verdict verdict_of(const Report& report) {
  Status status = Status::pass;
  for (const TensorVerdict& tensor_verdict : report.tensor_verdicts)
    status = std::max(status, tensor_verdict.status);
  if (first_wrong(report.states)) return Verdict::fail;
  if (status != Status::fail) return status == Status::pass ? Verdict::pass : Verdict::note;
  const bool gradients_explained = report.gradients_follow || !failed(report, {"dq", "dk", "dv", "dsinks"});
  return report.forward && report.forward->convention() && gradients_explained ? Verdict::convention
                                                                               : Verdict::fail;
}

}  // namespace

const char* name(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass:
      return "pass";
    case Verdict::note:
      return "note";
    case Verdict::convention:
      return "convention";
    case Verdict::fail:
      break;
  }
  return "fail";
}

const Diagnosis* Report::diagnosis() const { return forward ? &*forward : backward ? &*backward : nullptr; }

double miss_probability(double fraction, Index rows) {
  return std::pow(1 - fraction, static_cast<double>(rows));
}

Report check_submission(const Submission& s, const CheckOptions& options) {
  check_complete(s);
  require_shapes(s);

  // Every tensor against its tolerance
  Report report;
  options.on_stage("judging every row");
  choose_rows(s, options, report);
  const BoundedAttention forward = bound_attention(s.problem, report.rows, s.declared);
  require_weights(forward, s.declared);
  const auto& [truth, tolerance, magnitude] = forward;
  judge_into(report, "out", s.out, report.rows, truth.out, tolerance.out, magnitude.out, s.declared.stored);
  judge_into(report, "lse", s.lse, report.rows, truth.lse, tolerance.lse, magnitude.lse,
             s.declared.lse_stored);
  const std::optional<BoundedGradients> gradients = judge_gradients(s, forward, report);
  if (const TensorVerdict* worst = worst_of(report)) report.worst_ratio = worst->ratio;

  // Where the error is, and its name
  options.on_stage("measuring the wrong rows");
  find_where(s, report);
  measure_blocks(s, report);
  if (failed(report, {"out", "lse", "dq", "dk", "dv", "dsinks"}))
    report.measured = measure(
        s, {report.tensor_verdicts, report.rows, report.keys, forward, gradients ? &*gradients : nullptr});
  const Sharding sharding(s.layout, s.devices, s.problem.Q.shape.S, s.problem.K.shape.S);
  report.states = judge_states(s.problem, sharding, s.declared, s.states);
  const Submission simulated = on_simulated_ring(s, report);
  if (options.diagnose) name_the_mistake(simulated, gradients, options.on_stage, report);

  // The laws, and the verdict on the whole
  report.laws = laws({s.problem, s.out, s.lse, s.dq, s.dk, s.dv, s.cotangents}, s.declared,
                     sample_rows(s.problem.Q.shape.S, rows_for_laws, s.layout, s.devices, options.seed));
  report.verdict = verdict_of(report);
  if (report.verdict == Verdict::fail) suggest_precision(s, report);

  // What a pass cannot exclude
  const bool passed = report.verdict == Verdict::pass || report.verdict == Verdict::note;
  if (passed && options.list_undetectable && s.problem.has_pair_terms())
    report.remarks.emplace_back(
        "mistakes that a case cannot detect are listed without bias, boolean mask and dropout only");
  else if (passed && options.list_undetectable && nameable(simulated)) {
    options.on_stage("looking for mistakes that this case cannot detect");
    report.undetectable = find_undetectable_mistakes(simulated);
    if (!report.undetectable->backward_tried)
      report.remarks.emplace_back(
          "undetectable mistakes of the backward are listed up to about 500 tokens and 8 heads only");
  }
  return report;
}

}  // namespace ringattn
