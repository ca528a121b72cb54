#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "reference/oracle/probes/probes.h"
#include "reference/oracle/report/report.h"

namespace ringattn {

namespace {

// ---- The case and the verdict ------------------------------------------------

std::string place_of(const ElementIndex& place, bool row_only = false) {
  return row_only ? fmt::format("(b {}, row {}, head {})", place.b, place.s, place.h)
                  : fmt::format("(b {}, row {}, head {}, d {})", place.b, place.s, place.h, place.d);
}

std::string text_of(const Shape& s) { return fmt::format("({}, {}, {}, {})", s.B, s.S, s.H, s.D); }

std::string mask_text(const Mask& mask) {
  std::string text = mask.causal ? "causal" : "full";
  if (mask.window_left >= 0 || mask.window_right >= 0)
    text += fmt::format(", window {},{}", mask.window_left, mask.window_right);
  return text;
}

std::string header(const Submission& s, const Report& r) {
  const Shape &q = s.problem.Q.shape, &k = s.problem.K.shape, &v = s.problem.V.shape;
  std::string text = fmt::format("case     q {}  k {}  v {} bshd, {} query head{} per K/V head\n", text_of(q),
                                 text_of(k), text_of(v), q.H / k.H, q.H == k.H ? "" : "s");
  text += fmt::format(
      "         {}{}{}{}, scale {:.6g}{}{}{}; products in {}, results stored as {}\n",
      mask_text(s.problem.scoring.mask), s.problem.allowed ? ", boolean mask" : "",
      s.problem.bias ? ", bias" : "",
      s.problem.dropout ? fmt::format(", dropout {:g}", s.problem.dropout.p) : "",
      s.problem.scoring.scale(q.D),
      s.problem.scoring.softcap > 0 ? fmt::format(", soft-cap {:g}", s.problem.scoring.softcap) : "",
      s.problem.scoring.alibi_slopes.empty() ? "" : ", ALiBi",
      s.problem.scoring.sinks.empty() ? "" : ", sinks", name(s.declared.implementation),
      name(s.declared.stored));
  if (s.devices > 1) text += fmt::format("         {} devices, {}\n", s.devices, name(s.layout));
  text += "         tolerance: the largest error that rounding explains, derived for each element\n";
  if (r.sampled)
    text += fmt::format(
        "rows     {} of {} queries and {} of {} keys checked: the first, the last, shard borders, random "
        "ones;\n"
        "         an error in 1 % of the rows is missed with probability {:.2g}\n",
        r.rows.size(), q.S, r.keys.size(), k.S, miss_probability(0.01, static_cast<Index>(r.rows.size())));
  return text;
}

std::string verdict_line(const Submission& s, const Report& r) {
  const std::string tolerance =
      fmt::format("the tolerance of a correct {} implementation", name(s.declared.implementation));
  const auto worst = std::isinf(r.worst_ratio)
                         ? std::string("an element has an error that no rounding explains")
                         : fmt::format("the largest error is {} {}", times(r.worst_ratio), tolerance);
  switch (r.verdict) {
    case Verdict::pass:
      return fmt::format("VERDICT  PASS   the largest error is {:.0f} % of {}\n", 100 * r.worst_ratio,
                         tolerance);
    case Verdict::note:
      return fmt::format("VERDICT  PASS, WITH A NOTE ON PRECISION   {}\n", worst);
    case Verdict::convention:
      return fmt::format("VERDICT  RIGHT UNDER ANOTHER CONVENTION   {}\n", worst);
    case Verdict::fail:
      break;
  }
  return fmt::format("VERDICT  FAIL   {}\n", worst);
}

std::string tensor_verdict_lines(const TensorVerdict& j) {
  std::string text = fmt::format("{:<8} {}   {} the tolerance, worst at {}: found {:.6g}, expected {:.6g}\n",
                                 j.tensor, j.status == Status::fail ? "FAIL" : name(j.status), times(j.ratio),
                                 place_of(j.worst), j.found, j.expected);
  if (j.mismatched > 0) {
    text += fmt::format("         mismatched elements: {} / {} ({:.1f} %)\n", j.mismatched, j.elements,
                        100.0 * static_cast<double>(j.mismatched) / static_cast<double>(j.elements));
    text += fmt::format("         greatest absolute difference: {:.6g} at {}\n", j.max_abs_error,
                        place_of(j.max_abs_place));
    text += fmt::format("         greatest relative difference: {:.6g} at {}\n", j.max_rel_error,
                        place_of(j.max_rel_place));
  }
  if (j.nan > 0) text += fmt::format("         NaN elements: {}, not NaN in the reference result\n", j.nan);
  if (j.inf > 0)
    text += fmt::format("         infinite elements: {}, not infinite in the reference result\n", j.inf);
  if (j.zero_rows > 0)
    text += fmt::format("         rows of zeros: {}, not zero in the reference result; were they written?\n",
                        j.zero_rows);
  return text;
}

// ---- Where the result is wrong, and what the case cannot detect ---------------

// The boxes of the wrong rows, if there are several, and few
std::string boxes_lines(const Submission& s, const Report& r) {
  constexpr std::size_t most_ranges = 8;
  const Where& w = *r.where;
  std::size_t ranges = 0;
  for (const Box& box : w.boxes) ranges += ranges_of(box.rows).size();
  if (w.boxes.size() < 2 || ranges > most_ranges) return "";
  const bool of_keys = r.where_tensor == "dk" || r.where_tensor == "dv";
  const Shape& shape = of_keys ? s.problem.K.shape : s.problem.Q.shape;
  return "\n         that is, " +
         text_of(w.boxes, {shape.B, shape.H, of_keys ? r.keys : r.rows, nullptr, of_keys});
}

std::string where_lines(const Submission& s, const Report& r) {
  const Where& w = *r.where;
  std::vector<Index> rows;
  for (const RowRange& range : w.rows)
    for (Index row = range.begin; row < range.end; ++row) rows.push_back(row);
  const char* unit = r.where_tensor == "dk" || r.where_tensor == "dv" ? "keys" : "rows";
  std::string text = fmt::format("WHERE    {}: {} of {} rows (of all heads) are wrong; heads {}",
                                 r.where_tensor, w.wrong_rows, w.all_rows, ranges_text(w.heads));
  if (s.problem.Q.shape.B > 1) text += fmt::format("; sequences {}", ranges_text(w.batches));
  if (s.devices > 1) text += fmt::format("; devices {}", ranges_text({w.devices.begin(), w.devices.end()}));
  if (!w.channels.empty()) text += "; " + numbered_text("channel", w.channels);
  if (w.documents.size() > 1 || (w.documents.size() == 1 && w.documents.front() != 0))
    text += fmt::format("; documents {}", ranges_text({w.documents.begin(), w.documents.end()}));
  text += fmt::format("\n         {} {}{}\n         first wrong: {}", unit, ranges_text(rows),
                      boxes_lines(s, r), place_of(w.first, true));
  if (s.devices > 1) text += fmt::format(", local row {} of device {}", w.place, w.device);
  return text + "\n";
}

std::string undetectable_lines(const Report& r) {
  if (!r.undetectable) return "";
  if (r.undetectable->mistakes.empty()) return "BLIND TO nothing in the catalogue\n";
  const std::vector<std::string_view> ids = r.undetectable->ids();
  std::string text =
      fmt::format("BLIND TO {} of {} mistakes of the catalogue, which this case cannot detect:\n", ids.size(),
                  catalogue().size());
  constexpr std::size_t ids_per_line = 16;
  for (std::size_t n = 0; n < ids.size(); n += ids_per_line)
    text += fmt::format(
        "         {}\n",
        fmt::join(ids.begin() + static_cast<std::ptrdiff_t>(n),
                  ids.begin() + static_cast<std::ptrdiff_t>(std::min(n + ids_per_line, ids.size())), " "));
  const std::vector<std::string_view> probes = probes_covering({ids.begin(), ids.end()});
  if (!probes.empty())
    text += fmt::format("         probes that detect some of them: {}\n", fmt::join(probes, ", "));
  return text;
}

// ---- What the numbers are ----------------------------------------------------

// The findings on one tensor, those of most rows first; a long list is cut
std::string findings_lines(const std::vector<MeasuredFinding>& findings,
                           const Measurement::Explained& tensor) {
  constexpr Index most = 8;
  std::string text;
  std::set<std::string> fixes;
  Index count = 0;
  for (const MeasuredFinding& finding : findings) {
    if (finding.tensor != tensor.tensor || ++count > most) continue;
    text += fmt::format("         {}\n", finding.sentence);
    if (!finding.fix.empty() && fixes.insert(finding.fix).second)
      text += fmt::format("         FIX: {}\n", finding.fix);
  }
  if (count > most) text += fmt::format("         {}: {} more findings\n", tensor.tensor, count - most);
  if (tensor.explained > 0)
    text += fmt::format("         this explains {} of {} wrong rows of {}\n", tensor.explained, tensor.wrong,
                        tensor.tensor);
  return text;
}

std::string measured_lines(const Measurement& measured) {
  std::string text;
  for (const Measurement::Explained& tensor : measured.tensors)
    text += findings_lines(measured.findings, tensor);
  return text.empty() ? text : "MEASURED" + text.substr(8);
}

// ---- Weights of blocks -------------------------------------------------------

// How many of the wrong rows are weighted sums over whole blocks
std::string interpret_residual(const BlockWeights& w) {
  if (std::isnan(w.residual)) return "no row could be measured";
  const std::string residual = fmt::format("the residual is {:.3g} x the tolerance", w.residual);
  if (w.wrong_rows == 0) return "no row is wrong; " + residual;
  std::string text =
      fmt::format("weights of whole blocks explain {} of {} wrong rows", w.explained_rows, w.wrong_rows);
  if (!w.unexplained_heads.empty())
    text += fmt::format("; not all of heads {}", ranges_text(w.unexplained_heads));
  return text + "; " + residual;
}

}  // namespace

std::string text_of(const BlockWeights& block_weights) {
  std::string text =
      fmt::format("BLOCKS   weight of each K/V block in {}your output (1 is right)\n                  ",
                  block_weights.wrong_rows > 0 ? "the wrong rows of " : "");

  // One column per block, or per range of blocks that were measured together
  for (Index block = 0; block < block_weights.weight.cols(); ++block)
    text += fmt::format("{:>9}", block_weights.blocks_together == 1
                                     ? fmt::format("block {}", block)
                                     : fmt::format("{}..{}", block * block_weights.blocks_together,
                                                   (block + 1) * block_weights.blocks_together - 1));

  // One line per device
  for (Index device = 0; device < block_weights.weight.rows(); ++device) {
    text += fmt::format("\n         device {:<2}", device);
    for (Index block = 0; block < block_weights.weight.cols(); ++block) {
      const double weight = block_weights.weight(device, block);
      text += std::isnan(weight)                    ? fmt::format("{:>9}", "-")
              : block_weights.leaked(device, block) ? fmt::format("{:>9}", fmt::format("!{:.2f}", weight))
                                                    : fmt::format("{:>9.2f}", weight);
    }
  }
  if (block_weights.leaked.any())
    text +=
        "\n         !: the mask hides this block from all rows of the device, so that its weight must be 0";
  return text + "\n         " + interpret_residual(block_weights) + "\n";
}

std::string times(double ratio) { return fmt::format("{:.3g} x", ratio); }

std::string text_of(const std::vector<Law>& all) {
  std::string text;
  for (const Law& law : all) {
    text += fmt::format("LAW {}    {}   {}", law.id, law.holds() ? "holds" : "BROKEN", law.statement);
    if (!law.holds())
      text += fmt::format(": left {:.6g}, right {:.6g}, {} the tolerance apart\n         {}", law.left,
                          law.right, times(law.ratio), law.meaning);
    text += "\n";
  }
  return text;
}

std::string to_text(const Submission& s, const Report& r) {
  // The verdict, then each tensor
  std::string text = header(s, r) + verdict_line(s, r);
  for (const TensorVerdict& tensor_verdict : r.tensor_verdicts) text += tensor_verdict_lines(tensor_verdict);

  // Where the result is wrong, and what is wrong with it
  if (r.where) text += where_lines(s, r);
  if (r.blocks) text += text_of(*r.blocks);
  if (r.measured) text += measured_lines(*r.measured);
  if (!r.states.empty()) text += text_of(r.states, s.devices);
  if (const Diagnosis* diagnosis = r.diagnosis()) text += text_of(s, *diagnosis);
  for (const Law& law : r.laws)
    if (!law.holds()) text += text_of(std::vector{law});

  // Another tool
  if (const Diagnosis* diagnosis = r.diagnosis(); diagnosis && diagnosis->names.empty())
    text +=
        "NEXT     ringattn examine --program 'yours {case} {out}' measures what your program computes (in "
        "Python, "
        "ringattn.examine)\n";

  // Limits of this check
  text += undetectable_lines(r);
  for (const std::string& remark : r.remarks) text += fmt::format("NOTE     {}\n", remark);
  return text;
}

}  // namespace ringattn
