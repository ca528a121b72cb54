// The report of a check as JSON.

#include <fmt/core.h>

#include <set>

#include "reference/oracle/probes/probes.h"
#include "reference/oracle/report/report.h"

namespace ringattn {

namespace {

Json place_json(const ElementIndex& place) {
  return {{"batch", place.b}, {"row", place.s}, {"head", place.h}, {"d", place.d}};
}

Json tensor_verdict_json(const TensorVerdict& j) {
  return {{"verdict", name(j.status)},
          {"gauge_ratio", number(j.ratio)},
          {"worst", place_json(j.worst)},
          {"found", number(j.found)},
          {"expected", number(j.expected)},
          {"elements", j.elements},
          {"mismatched", j.mismatched},
          {"max_abs_error", number(j.max_abs_error)},
          {"max_rel_error", number(j.max_rel_error)},
          {"nan", j.nan},
          {"inf", j.inf},
          {"zero_rows", j.zero_rows}};
}

Json parameters_json(const Variant& variant) {
  Json parameters = Json::object();
  for (const Parameter& parameter : variant.parameters()) parameters[parameter.name] = parameter.text;
  return parameters;
}

// For two mistakes at once, the parameters of each stand under its id
Json candidate_json(const Candidate& s) {
  Json parameters = parameters_json(s.variant);
  std::string title = s.mistake->title;
  if (s.second) {
    parameters = {{s.mistake->id, parameters}, {s.second->id, parameters_json(s.second_variant)}};
    title += "; and " + s.second->title;
  }
  return {
      {"id", id_of(s)}, {"title", title}, {"residual", number(s.distance.worst)}, {"parameters", parameters}};
}

Json boxes_json(const std::vector<Box>& boxes) {
  Json result = Json::array();
  for (const Box& box : boxes)
    result.push_back({{"batches", box.batches}, {"heads", box.heads}, {"rows", box.rows}});
  return result;
}

Json where_json(const Submission& s, const Report& r) {
  const Where& w = *r.where;
  Json rows = Json::array();
  for (const RowRange& range : w.rows) rows.push_back({range.begin, range.end - 1});
  Json result{
      {"tensor", r.where_tensor}, {"batches", w.batches},       {"heads", w.heads},      {"rows", rows},
      {"documents", w.documents}, {"wrong_rows", w.wrong_rows}, {"all_rows", w.all_rows}};
  result["channels"] = w.channels;
  result["boxes"] = boxes_json(w.boxes);
  result["first"] = {{"batch", w.first.b}, {"row", w.first.s}, {"head", w.first.h}};
  if (s.devices > 1) {
    result["devices"] = w.devices;
    result["first"]["device"] = w.device;
    result["first"]["local_row"] = w.place;
  }
  return result;
}

Json state_json(const StateVerdict& state) {
  return {{"step", state.step},
          {"device", state.device},
          {"kv_owner", state.kv_owner},
          {"right_block", state.right_block},
          {"ratio", number(state.ratio)}};
}

// An array of rows
Json matrix_json(const Matrix<double>& matrix) {
  Json rows = Json::array();
  for (Index i = 0; i < matrix.rows(); ++i) {
    Json row = Json::array();
    for (Index j = 0; j < matrix.cols(); ++j) row.push_back(number(matrix(i, j)));
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

Json to_json(const BlockWeights& block_weights) {
  Json leaks = Json::array();
  for (Index device = 0; device < block_weights.leaked.rows(); ++device)
    for (Index block = 0; block < block_weights.leaked.cols(); ++block)
      if (block_weights.leaked(device, block)) leaks.push_back({device, block});
  return {{"weight", matrix_json(block_weights.weight)},
          {"spread", matrix_json(block_weights.deviation)},
          {"residual", number(block_weights.residual)},
          {"owners_per_block", block_weights.blocks_together},
          {"leaks", leaks},
          {"wrong_rows", block_weights.wrong_rows},
          {"explained_rows", block_weights.explained_rows},
          {"unexplained_heads", block_weights.unexplained_heads}};
}

Json to_json(const std::vector<Law>& all) {
  Json result = Json::object();
  for (const Law& law : all)
    result[law.id] = {{"statement", law.statement}, {"holds", law.holds()},
                      {"ratio", number(law.ratio)}, {"left", number(law.left)},
                      {"right", number(law.right)}, {"meaning", law.meaning}};
  return result;
}

Json to_json(const Measurement& measured) {
  Json findings = Json::array(), tensors = Json::object();
  for (const MeasuredFinding& finding : measured.findings)
    findings.push_back({{"kind", finding.kind},
                        {"tensor", finding.tensor},
                        {"sentence", finding.sentence},
                        {"fix", finding.fix},
                        {"boxes", boxes_json(finding.boxes)},
                        {"channels", finding.channels},
                        {"rows", finding.rows}});
  for (const Measurement::Explained& tensor : measured.tensors)
    tensors[tensor.tensor] = {{"wrong_rows", tensor.wrong}, {"explained_rows", tensor.explained}};
  return {{"findings", findings}, {"tensors", tensors}};
}

Json to_json(const Submission& s, const Report& r) {
  Json result{{"verdict", name(r.verdict)}, {"gauge_ratio", number(r.worst_ratio)}};

  // The name of the mistake, or the mistakes that this case cannot detect
  Json names = Json::array();
  const Diagnosis* diagnosis = r.diagnosis();
  if (diagnosis)
    for (const Candidate& candidate : diagnosis->names) names.push_back(candidate_json(candidate));
  result["names"] = names;
  result["part"] = diagnosis && !diagnosis->part.empty() ? Json(diagnosis->part) : Json();
  result["runner_up"] = diagnosis && diagnosis->runner_up ? candidate_json(*diagnosis->runner_up) : Json();
  result["blind_to"] = Json(), result["probes"] = Json::array();
  if (r.undetectable) {
    const std::vector<std::string_view> ids = r.undetectable->ids();
    result["blind_to"] = ids;
    result["probes"] = probes_covering({ids.begin(), ids.end()});
  }

  // Where the result is wrong
  result["where"] = r.where ? where_json(s, r) : Json();
  result["measured"] = r.measured ? to_json(*r.measured) : Json();
  result["blocks"] = r.blocks ? to_json(*r.blocks) : Json();
  if (!s.states.empty()) {
    Json states = Json::array();
    for (const StateVerdict& state : r.states) states.push_back(state_json(state));
    const StateVerdict* wrong = first_wrong(r.states);
    result["steps"] = {{"states", states}, {"first_wrong", wrong ? state_json(*wrong) : Json()}};
  }

  // The verdict on each tensor and law, and how many rows were checked
  for (const TensorVerdict& tensor_verdict : r.tensor_verdicts)
    result["tensors"][tensor_verdict.tensor] = tensor_verdict_json(tensor_verdict);
  result["laws"] = to_json(r.laws);
  result["checked_rows"] = r.sampled ? Json(r.rows.size()) : Json();
  result["remarks"] = r.remarks;
  return result;
}

// A heading, the names of the mistakes, and the text as a code block, which keeps its columns aligned
std::string to_markdown(const Submission& s, const Report& r) {
  std::string text = fmt::format("### ringattn check: {}\n\n", name(r.verdict));
  if (const Diagnosis* diagnosis = r.diagnosis(); diagnosis && !diagnosis->names.empty()) {
    std::set<const Mistake*> listed;
    for (const Candidate& candidate : diagnosis->names)
      for (const Mistake* mistake : {candidate.mistake, candidate.second})
        if (mistake && listed.insert(mistake).second)
          text += fmt::format("**{}** {}. {}\n\n", mistake->id, mistake->title, fix_of(s, *mistake));
  }
  return text + "```\n" + to_text(s, r) + "```\n";
}

}  // namespace ringattn
