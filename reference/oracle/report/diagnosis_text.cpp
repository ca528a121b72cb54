// The part of a report on the names of mistakes, their explanations and the block weights.

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "reference/oracle/report/report.h"

namespace ringattn {

namespace {

std::string name_line(const Mistake& mistake, const Variant& variant) {
  const std::string parameters = variant.describe();
  return fmt::format("{}  {}\n{}", mistake.id, mistake.title,
                     parameters.empty() ? "" : "         with " + parameters + "\n");
}

// "O1 tile = 16"; for two mistakes at once, both
std::string short_name(const Candidate& candidate) {
  std::string text = candidate.mistake->id + " " + candidate.variant.describe();
  if (candidate.second) text += " and " + candidate.second->id + " " + candidate.second_variant.describe();
  return text;
}

// The names of a diagnosis below each other: the first with its title, twins after "or". A variant of a mistake that
// was named before has no title.
std::string names_lines(const std::vector<Candidate>& names) {
  std::string text;
  std::set<std::string> titled;
  for (const Candidate& candidate : names) {
    const char* begin = text.empty() ? "NAME     " : "   or    ";
    if (!titled.insert(id_of(candidate)).second) {
      text += begin + short_name(candidate) + "\n";
      continue;
    }
    text += begin + name_line(*candidate.mistake, candidate.variant);
    if (candidate.second) text += "   and   " + name_line(*candidate.second, candidate.second_variant);
  }
  return text;
}

std::string agreement_line(const std::vector<Candidate>& names) {
  double farthest = 0;
  for (const Candidate& candidate : names) farthest = std::max(farthest, candidate.distance.worst);
  const char* with = names.size() > 1       ? "each of them"
                     : names.front().second ? "both mistakes made at once"
                                            : "this mistake";
  return fmt::format("         your result agrees with {} to within {} the tolerance{}\n", with,
                     times(farthest), names.size() > 1 ? "; this input cannot tell them apart" : "");
}

// No mask and no segments: every query sees every key
bool is_unmasked(const Submission& s) {
  const Mask& mask = s.problem.scoring.mask;
  if (mask.causal || mask.window_left >= 0 || mask.window_right >= 0) return false;
  for (Index b = 0; b < s.problem.Q.shape.B; ++b)
    for (const RowPositions* positions : {&s.problem.q_positions, &s.problem.kv_positions})
      for (const RowPosition& each : positions->of(b))
        if (each.segment != s.problem.q_positions.of(b)[0].segment) return false;
  return true;
}

}  // namespace

std::string fix_of(const Submission& s, const Mistake& mistake) {
  if (mistake.family != Family::mask || !is_unmasked(s)) return mistake.fix;
  return "No mask is declared: let every query attend to every key. If there should be a mask, declare it: " +
         mistake.fix;
}

namespace {

// With several ids in the report, each explanation says to which it belongs
std::string explanation(const Submission& s, const Mistake& mistake, bool one_of_several) {
  const std::string of = one_of_several ? mistake.id + ": " : "";
  std::string text = fmt::format("WRONG    {0}{1}\nWHY      {0}{2}\nFIX      {0}{3}\n", of, mistake.wrong,
                                 mistake.why, fix_of(s, mistake));
  if (!mistake.seen_in.empty()) text += fmt::format("SEEN IN  {}{}\n", of, mistake.seen_in);
  return text;
}

std::string sharding_line(const Submission& s, const Diagnosis& d) {
  if (d.devices == s.devices && d.layout == s.layout) return "";
  return fmt::format("         assuming {} devices, {} layout; declare devices and layout to confirm\n",
                     d.devices, name(d.layout));
}

std::string part_line(const Diagnosis& d) {
  return d.part.empty() ? "" : fmt::format("         only in {}; the rest of your result is right\n", d.part);
}

std::string unnamed_line(const Diagnosis& d) {
  if (!d.runner_up)
    return fmt::format(
        "NAME     not in the catalogue; no entry is at most {:g} x as far from your result as the right "
        "one\n",
        nearer_than_truth);
  return fmt::format(
      "NAME     not in the catalogue; the nearest entry is {}, {} the tolerance away (rejected);\n"
      "         the right result is at least {:g} x as far away\n",
      short_name(*d.runner_up), times(d.runner_up->distance.worst), 1 / nearer_than_truth);
}

}  // namespace

std::string text_of(const Submission& s, const Diagnosis& d) {
  if (d.names.empty()) return unnamed_line(d);
  const Candidate& first = d.names.front();
  std::string text = names_lines(d.names) + part_line(d) + agreement_line(d.names) + sharding_line(s, d);
  if (d.runner_up)
    text += fmt::format("         next candidate: {}, {} the tolerance away (rejected)\n",
                        short_name(*d.runner_up), times(d.runner_up->distance.worst));
  std::set<const Mistake*> conventions;
  for (const Candidate& candidate : d.names)
    if (is_convention(candidate) && conventions.insert(candidate.mistake).second)
      text += fmt::format("         {} is the convention of {}; ours is in reference/README.md\n",
                          candidate.mistake->id, candidate.mistake->convention);

  // Explanation and fix of the first
  const bool several = std::any_of(d.names.begin(), d.names.end(), [&](const Candidate& candidate) {
    return candidate.second || candidate.mistake != first.mistake;
  });
  text += explanation(s, *first.mistake, several);
  if (first.second) text += explanation(s, *first.second, several);
  return text;
}

}  // namespace ringattn
