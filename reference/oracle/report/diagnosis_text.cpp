#include <fmt/core.h>

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

std::string explanation(const Mistake& mistake) {
  std::string text =
      fmt::format("WRONG    {}\nWHY      {}\nFIX      {}\n", mistake.wrong, mistake.why, mistake.fix);
  if (!mistake.seen_in.empty()) text += fmt::format("SEEN IN  {}\n", mistake.seen_in);
  return text;
}

std::string sharding_line(const Submission& s, const Diagnosis& d) {
  if (d.devices == s.devices && d.layout == s.layout) return "";
  return fmt::format("         assuming {} devices, {} layout; declare devices and layout to confirm\n",
                     d.devices, name(d.layout));
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
  std::string text = "NAME     " + name_line(*first.mistake, first.variant);
  if (first.second) text += "   and   " + name_line(*first.second, first.second_variant);
  text +=
      fmt::format("         your result agrees with {} to within {} the tolerance\n",
                  first.second ? "both mistakes made at once" : "this mistake", times(first.distance.worst));

  // Other names and assumptions
  for (std::size_t n = 1; n < d.names.size(); ++n) {
    const Candidate& twin = d.names[n];
    const bool title_known = twin.mistake == first.mistake || twin.second;
    text += fmt::format("         indistinguishable on this input: {}\n",
                        title_known ? short_name(twin) : twin.mistake->id + " " + twin.mistake->title);
  }
  text += sharding_line(s, d);
  if (d.runner_up)
    text += fmt::format("         next candidate: {}, {} the tolerance away (rejected)\n",
                        short_name(*d.runner_up), times(d.runner_up->distance.worst));
  if (!first.mistake->convention.empty())
    text += fmt::format("         this is the convention of {}; ours is in reference/README.md\n",
                        first.mistake->convention);

  // Explanation and fix
  text += explanation(*first.mistake);
  if (first.second) text += explanation(*first.second);
  return text;
}

}  // namespace ringattn
