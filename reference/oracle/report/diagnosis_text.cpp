#include <fmt/core.h>

#include "reference/oracle/report/report.h"

namespace ringattn::cli {

namespace {

std::string name_line(const Mistake& mistake, const Variant& variant) {
  const std::string parameters = variant.describe();
  return fmt::format("{}  {}\n{}", mistake.id, mistake.title,
                     parameters.empty() ? "" : "         with " + parameters + "\n");
}

// "O1 tile = 16", or both of a pair
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
  return fmt::format("         if the sequence is spread over {} devices, {}: declare it to be sure\n",
                     d.devices, name(d.layout));
}

std::string no_name(const Diagnosis& d) {
  std::string text = "NAME     not in the catalogue";
  if (d.runner_up)
    text += fmt::format("; the nearest is {}, {} the allowance away (rejected)", short_name(*d.runner_up),
                        times(d.runner_up->distance.worst));
  return text + "\n";
}

}  // namespace

std::string text_of(const Submission& s, const Diagnosis& d) {
  if (d.names.empty()) return no_name(d);
  const Candidate& first = d.names.front();
  std::string text = "NAME     " + name_line(*first.mistake, first.variant);
  if (first.second) text += "   and   " + name_line(*first.second, first.second_variant);
  text += fmt::format("         your result is {} an allowance from being right for {}\n",
                      times(first.distance.worst), first.second ? "both at once" : "it");
  for (std::size_t n = 1; n < d.names.size(); ++n) {
    const Candidate& twin = d.names[n];
    const bool said = twin.mistake == first.mistake || twin.second;
    text += fmt::format("         the same on this input: {}\n",
                        said ? short_name(twin) : twin.mistake->id + " " + twin.mistake->title);
  }
  text += sharding_line(s, d);
  if (d.runner_up)
    text += fmt::format("         next best: {}, {} (rejected)\n", short_name(*d.runner_up),
                        times(d.runner_up->distance.worst));
  if (!first.mistake->convention.empty())
    text +=
        fmt::format("         {}'s convention; ours is in reference/README.md\n", first.mistake->convention);
  text += explanation(*first.mistake);
  if (first.second) text += explanation(*first.second);
  return text;
}

}  // namespace ringattn::cli
