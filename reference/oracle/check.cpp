#include "reference/oracle/check.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "reference/definition/bad_input.h"
#include "reference/definition/device_count.h"
#include "reference/definition/error/chunked.h"
#include "reference/definition/error/row_sample.h"

namespace ringattn {

namespace {

constexpr double affordable_products = 2.5e10;  // multiplications of one product (Sq, Skv) that take seconds
constexpr Index usual_sample = 256;             // rows and keys to check in larger cases
constexpr Index rows_for_blocks = 256, rows_for_laws = 64;
constexpr Index keys_for_names = Index{1} << 15;  // largest number of keys for a diagnosis

void check_complete(const Submission& s) {
  check(s.problem);
  require(s.out || s.lse || s.dq || s.dk || s.dv,
          "[check] a submission contains at least one of out, lse, dq, dk and dv; found none; add a result");
  require(!(s.dq || s.dk || s.dv) || s.cotangents.dout.data || s.problem.Q.shape.S == 0,
          "[check] gradients can only be checked with dout; the case has none; add the tensor dout to it");
  require_device_count("check", s.devices);
}

// Sets the rows and keys to check: all of them, or a sample
void choose_rows(const Submission& s, const CheckOptions& options, Report& report) {
  const Shape &q = s.problem.Q.shape, &k = s.problem.K.shape;
  const double products =
      static_cast<double>(q.B * q.H * q.D) * static_cast<double>(q.S) * static_cast<double>(k.S);
  const Index wanted = options.rows > 0                  ? options.rows
                       : products <= affordable_products ? std::max(q.S, k.S)
                                                         : usual_sample;
  report.rows = sample_rows(q.S, wanted, s.layout, s.devices, options.seed);
  report.keys = sample_rows(k.S, wanted, s.layout, s.devices, options.seed + 1);
  report.sampled =
      static_cast<Index>(report.rows.size()) < q.S || static_cast<Index>(report.keys.size()) < k.S;
}

// Judges one tensor on the rows _rows_ if it was submitted
void judge_into(Report& report, const char* tensor, const std::optional<TensorView<const double>>& found,
                const std::vector<Index>& rows, const Tensor<double>& truth,
                const Tensor<double>& tolerance) {
  if (!found) return;
  const Shape& whole = found->shape;
  require(whole.S >= (rows.empty() ? 0 : rows.back() + 1), "[check] ", tensor, " must have at least ",
          rows.empty() ? 0 : rows.back() + 1, " rows; found ", whole.S, "; submit all rows");
  report.tensor_verdicts.push_back(judge_tensor(tensor, select_rows(*found, rows), truth, tolerance));

  // From places in the sample to rows of the global sequence
  TensorVerdict& tensor_verdict = report.tensor_verdicts.back();
  for (ElementIndex* place :
       {&tensor_verdict.worst, &tensor_verdict.max_abs_place, &tensor_verdict.max_rel_place})
    if (!rows.empty()) place->s = rows[static_cast<std::size_t>(place->s)];
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
}

// The bounds of dk and dv of the sampled keys. These are sums over all query rows, of which lse and out are taken from
// the submission.
std::optional<BoundedGradients> bound_keys(const Submission& s, Report& report) {
  if (!s.dk && !s.dv) return std::nullopt;
  if (!s.out || !s.lse) {
    report.remarks.emplace_back(
        "dk and dv of sampled keys were not checked, which needs out and lse of all rows; submit them too");
    return std::nullopt;
  }
  const Tensor<double> K = select_rows(s.problem.K, report.keys), V = select_rows(s.problem.V, report.keys);
  Problem<double> of_keys = s.problem;
  of_keys.K = K, of_keys.V = V;
  of_keys.kv_positions = s.problem.kv_positions.select(report.keys);
  return bound_attention_vjp(of_keys, all_rows(s.problem.Q.shape.S),
                             {converted<double>(*s.out), converted<double>(*s.lse, Axes::bhsd)}, s.cotangents,
                             s.declared);
}

// Judges the submitted gradients; returns their bounds if all rows were checked
std::optional<BoundedGradients> judge_gradients(const Submission& s, const BoundedAttention& forward,
                                                Report& report) {
  if (!s.dq && !s.dk && !s.dv) return std::nullopt;
  const BoundedGradients bounded =
      bound_attention_vjp(s.problem, report.rows, forward.truth, s.cotangents, s.declared);
  judge_into(report, "dq", s.dq, report.rows, bounded.truth.dq, bounded.tolerance.dq);
  const std::optional<BoundedGradients> of_keys = report.sampled ? bound_keys(s, report) : bounded;
  if (of_keys) {
    judge_into(report, "dk", s.dk, report.keys, of_keys->truth.dk, of_keys->tolerance.dk);
    judge_into(report, "dv", s.dv, report.keys, of_keys->truth.dv, of_keys->tolerance.dv);
  }
  return report.sampled ? std::nullopt : std::optional(bounded);
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
  if (!worst || worst->status == Status::pass) return;
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

void measure_blocks(const Submission& s, Report& report) {
  if (!s.out || s.devices == 1 || !failed(report, {"out"})) return;
  const std::vector<Index> rows = sample_rows(s.problem.Q.shape.S, rows_for_blocks, s.layout, s.devices, 0);
  const Sharding sharding(s.layout, s.devices, s.problem.Q.shape.S, s.problem.K.shape.S);
  report.blocks = estimate_block_weights(s.problem, sharding, rows, select_rows(*s.out, rows),
                                         bound_attention(s.problem, rows, s.declared));
}

// Whether mistakes have an effect at all, and can be tried in seconds
bool nameable(const Submission& s) {
  const Index keys = s.problem.K.shape.S;
  return s.problem.Q.shape.S > 0 && 1 <= keys && keys <= keys_for_names && s.devices <= max_simulated_devices;
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

void name_the_mistake(const Submission& s, const std::optional<BoundedGradients>& gradients, Report& report) {
  const bool forward_failed = failed(report, {"out", "lse"}),
             backward_failed = failed(report, {"dq", "dk", "dv"});
  if (!forward_failed && !backward_failed) return;
  if (!nameable(s)) {
    std::ostringstream remark;
    remark << "mistakes can only be named if there are queries, 1 to " << keys_for_names
           << " keys, and at most " << max_simulated_devices
           << " devices with tokens; try a smaller case or a probe";
    report.remarks.push_back(remark.str());
    return;
  }
  if (forward_failed) {
    report.forward = diagnose_forward(s, report.tensor_verdicts, report.rows);
    if (backward_failed)
      report.remarks.emplace_back("mistakes in the gradients are named once the forward is correct");
  } else if (gradients && small_enough_for_backward(s.problem)) {
    report.backward = diagnose_backward(s, *gradients);
  } else {
    report.remarks.emplace_back(
        "mistakes of the backward are named up to about 500 tokens and 8 heads; try a smaller case");
  }
}

Verdict verdict_of(const Report& report) {
  Status status = Status::pass;
  for (const TensorVerdict& tensor_verdict : report.tensor_verdicts)
    status = std::max(status, tensor_verdict.status);
  if (first_wrong(report.states)) return Verdict::fail;
  if (status != Status::fail) return status == Status::pass ? Verdict::pass : Verdict::note;
  const bool gradients_failed = failed(report, {"dq", "dk", "dv"});
  return report.forward && report.forward->convention() && !gradients_failed ? Verdict::convention
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
  choose_rows(s, options, report);
  const BoundedAttention forward = bound_attention(s.problem, report.rows, s.declared);
  judge_into(report, "out", s.out, report.rows, forward.truth.out, forward.tolerance.out);
  judge_into(report, "lse", s.lse, report.rows, forward.truth.lse, forward.tolerance.lse);
  const std::optional<BoundedGradients> gradients = judge_gradients(s, forward, report);
  if (const TensorVerdict* worst = worst_of(report)) report.worst_ratio = worst->ratio;

  // Where the error is, and its name
  find_where(s, report);
  measure_blocks(s, report);
  const Sharding sharding(s.layout, s.devices, s.problem.Q.shape.S, s.problem.K.shape.S);
  report.states = judge_states(s.problem, sharding, s.declared, s.states);
  const Submission simulated = on_simulated_ring(s, report);
  if (options.diagnose) name_the_mistake(simulated, gradients, report);

  // The laws, and the verdict on the whole
  report.laws = laws({s.problem, s.out, s.lse, s.dq, s.dk, s.dv, s.cotangents}, s.declared,
                     sample_rows(s.problem.Q.shape.S, rows_for_laws, s.layout, s.devices, options.seed));
  report.verdict = verdict_of(report);

  // What a pass cannot exclude
  const bool passed = report.verdict == Verdict::pass || report.verdict == Verdict::note;
  if (passed && options.list_undetectable && nameable(simulated)) {
    report.undetectable = find_undetectable_mistakes(simulated);
    if (!report.undetectable->backward_tried)
      report.remarks.emplace_back(
          "undetectable mistakes of the backward are listed up to about 500 tokens and 8 heads only");
  }
  return report;
}

}  // namespace ringattn
