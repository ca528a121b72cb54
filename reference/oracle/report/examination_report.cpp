#include "reference/oracle/report/examination_report.h"

#include <fmt/core.h>

#include <algorithm>

#include "reference/oracle/report/finding_text.h"
#include "reference/oracle/verdict/boxes.h"

namespace ringattn {

namespace {

std::string shape_text(const Shape& s) { return fmt::format("({}, {}, {}, {})", s.B, s.S, s.H, s.D); }

std::string mask_text(const Scoring& scoring) {
  const Mask& mask = scoring.mask;
  std::string text = mask.causal ? "causal" : "full";
  if (mask.window_left >= 0 || mask.window_right >= 0)
    text += fmt::format(", window {},{}", mask.window_left, mask.window_right);
  return text;
}

std::string header(const ExaminedAttention& a) {
  std::string text =
      fmt::format("examined q {}  k {}  v {} bshd\n", shape_text(a.q), shape_text(a.k), shape_text(a.v));
  text += fmt::format("         {}, scale {:.6g}{}; products in {}, results stored as {}\n",
                      mask_text(a.scoring), a.scoring.scale(a.q.D),
                      a.scoring.softcap > 0 ? fmt::format(", soft-cap {:g}", a.scoring.softcap) : "",
                      name(a.declared.implementation), name(a.declared.stored));
  if (a.devices > 1) text += fmt::format("         {} devices, {}\n", a.devices, name(a.layout));
  return text;
}

// The sentence over lines of limited length, after a mark
std::string paragraph(const std::string& mark, const std::string& sentence) {
  constexpr std::size_t width = 110;
  std::string text = mark, line;
  for (std::size_t begin = 0; begin < sentence.size();) {
    const std::size_t end = std::min(sentence.find(' ', begin), sentence.size());
    const std::string word = sentence.substr(begin, end - begin);
    if (!line.empty() && line.size() + 1 + word.size() > width)
      text += line + "\n" + std::string(mark.size(), ' '), line.clear();
    line += (line.empty() ? "" : " ") + word;
    begin = end + 1;
  }
  return text + line + "\n";
}

Json finding_json(const ExaminedAttention& attention, const Finding& f) {
  Json where = Json::array();
  for (const HeadRows& each : f.where)
    where.push_back({{"batch", each.b}, {"head", each.h}, {"rows", each.rows}});
  Json json{{"kind", name(f.kind)}, {"sentence", sentence_of(attention, f)}, {"where", where}};
  Json numbers = Json::object();
  for (const auto& [name_of_number, value] : f.numbers) numbers[name_of_number] = number(value);
  for (const auto& [name_of_list, list] : f.indices) numbers[name_of_list] = list;
  json["numbers"] = numbers;
  if (!f.tensor.empty()) json["tensor"] = f.tensor;
  if (!f.subject.empty()) json["subject"] = f.subject;
  if (!f.blocks.empty()) {
    json["blocks"] = Json::array();
    for (const BlockValue& each : f.blocks)
      json["blocks"].push_back(
          {{"device", each.device}, {"block", each.block}, {"value", number(each.value)}});
  }
  if (!f.law.empty()) {
    json["law"] = Json::array();
    for (const LawTerm& term : f.law)
      json["law"].push_back(
          {{"feature", term.feature}, {"order", term.order}, {"weight", number(term.weight)}});
  }
  return json;
}

}  // namespace

std::string to_text(const ExaminedAttention& attention, const Examination& examination) {
  std::string text =
      header(attention) + fmt::format("         {} {}\n", examination.calls,
                                      plural("call", static_cast<std::size_t>(examination.calls)));
  if (examination.findings.empty())
    return text + "RESULT   nothing departs from attention by more than rounding\n";
  for (const Finding& finding : examination.findings)
    text += paragraph("FOUND    ", sentence_of(attention, finding));
  const bool of_forward =
      std::any_of(examination.findings.begin(), examination.findings.end(), [](const Finding& finding) {
        return finding.kind < FindingKind::gradient_not_finite && finding.tensor.empty();
      });
  if (examination.explained && of_forward)
    text +=
        "RESULT   the findings reproduce out of ordinary numbers: nothing else departs from attention "
        "there\n";
  return text;
}

Json to_json(const ExaminedAttention& attention, const Examination& examination) {
  Json findings = Json::array();
  for (const Finding& finding : examination.findings) findings.push_back(finding_json(attention, finding));
  return {{"findings", findings},
          {"calls", examination.calls},
          {"error", number(examination.error)},
          {"explained", examination.explained}};
}

}  // namespace ringattn
