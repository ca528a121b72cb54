#include "reference/oracle/measured/finding.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <map>

namespace ringattn {

namespace {

constexpr double least_evidence = 6;  // chance of a false finding: at most 10^-6

constexpr std::size_t least_rows = 3;  // of a head, unless all its wrong rows are explained

// Rows with the same explanation
struct Group {
  Explanation explanation;             // of the first row; its instance is not used
  std::vector<std::size_t> rows;       // places in the part, ascending
  std::vector<double> evidence;        // of each row
  std::vector<std::string> instances;  // of each row
};

std::vector<Group> groups_of(const std::vector<Explanations>& of_finders) {
  std::vector<Group> groups;
  for (const Explanations& explanations : of_finders) {
    std::map<std::string, std::size_t> place;  // of the group in the list
    for (std::size_t n = 0; n < explanations.size(); ++n) {
      if (!explanations[n]) continue;
      const auto [known, added] = place.try_emplace(explanations[n]->predicate, groups.size());
      if (added) groups.push_back({*explanations[n], {}, {}, {}});
      groups[known->second].rows.push_back(n);
      groups[known->second].evidence.push_back(explanations[n]->evidence);
      groups[known->second].instances.push_back(explanations[n]->instance);
    }
  }
  return groups;
}

// Keeps the rows _keep_ of a group
void keep_rows(Group& group, const std::function<bool(std::size_t)>& keep) {
  Group kept{group.explanation, {}, {}, {}};
  for (std::size_t n = 0; n < group.rows.size(); ++n)
    if (keep(group.rows[n]))
      kept.rows.push_back(group.rows[n]), kept.evidence.push_back(group.evidence[n]),
          kept.instances.push_back(group.instances[n]);
  group = std::move(kept);
}

// Drops the rows of heads in which the explanation is scattered among rows that it does not explain
void drop_scattered_rows(const WrongPart& part, Group& group) {
  struct Extent {
    Index first = std::numeric_limits<Index>::max(), last = -1;
    std::size_t explained = 0, wrong = 0, all = 0;
  };
  std::map<HeadPlace, Extent> of_heads;
  for (const std::size_t n : group.rows) {
    const ElementIndex& row = part.rows[n];
    Extent& extent = of_heads[{row.b, row.h}];
    extent.first = std::min(extent.first, row.s), extent.last = std::max(extent.last, row.s);
    ++extent.explained;
  }
  for (const ElementIndex& row : part.rows) {
    const auto extent = of_heads.find({row.b, row.h});
    if (extent == of_heads.end()) continue;
    ++extent->second.all;
    extent->second.wrong += extent->second.first <= row.s && row.s <= extent->second.last;
  }
  if (group.explanation.exact) return;
  keep_rows(group, [&](std::size_t n) {
    const Extent& extent = of_heads[{part.rows[n].b, part.rows[n].h}];
    return 2 * extent.explained >= extent.wrong &&
           (extent.explained >= least_rows || extent.explained == extent.all);
  });
}

// Whether rows may agree by chance. n rows out of N were chosen in C(N, n) <= (e N / n)^n ways, the explanation among
// some hypotheses. Rows that are nearly right agree with whatever is nearly right, and are no evidence.
bool evident(const RecordedTensor& t, const WrongPart& part, const Group& group) {
  double sum = 0, n = 0;
  for (std::size_t k = 0; k < group.rows.size(); ++k) {
    const ElementIndex& row = part.rows[group.rows[k]];
    const Vector<double> truth = t.truth.head(row.b, row.h).row(row.s).transpose();
    if (row_distance(t, row, truth, part.channels) < 2 * largest_explained_error) continue;
    sum += group.evidence[k], ++n;
  }
  if (n == 0) return false;
  const auto N = static_cast<double>(part.rows.size());
  return sum - n * std::log10(std::exp(1.0) * N / n) - std::log10(group.explanation.hypotheses) >=
         least_evidence;
}

// "holds" for "hold"
std::string conjugated(const std::string& predicate, bool singular) {
  static const std::pair<const char*, const char*> verbs[] = {
      {"hold", "holds"}, {"are", "is"}, {"have", "has"}, {"read", "reads"}, {"were", "was"}, {"see", "sees"}};
  if (singular)
    for (const auto& [plural, third_person] : verbs)
      if (predicate.starts_with(std::string(plural) + " "))
        return third_person + predicate.substr(std::strlen(plural));
  return predicate;
}

MeasuredFinding finding_of(const RecordedTensor& t, const WrongPart& part, const Group& group) {
  const Explanation& explanation = group.explanation;
  MeasuredFinding finding{
      explanation.kind, t.name, {}, {}, {}, explanation.fix, static_cast<Index>(group.rows.size())};
  std::vector<ElementIndex> places;
  for (const std::size_t n : group.rows) {
    const ElementIndex& row = part.rows[n];
    places.push_back({row.b, t.global_row(row), row.h, 0});
  }
  finding.boxes = boxes_of(places);
  const bool whole = static_cast<Index>(part.channels.size()) == t.shape().D;
  if (!whole) finding.channels = part.channels;
  const bool one_row = finding.boxes.size() == 1 && finding.boxes.front().rows.size() == 1 && t.shape().S > 1;
  const bool singular = whole ? one_row : part.channels.size() == 1;
  finding.sentence = t.name + ": " + (whole ? "" : numbered_text("channel", part.channels) + " of ") +
                     text_of(finding.boxes, t.space) + " " + conjugated(explanation.predicate, singular);
  if (!group.instances.front().empty())
    finding.sentence +=
        ", such as " + text_of(boxes_of({places.front()}), t.space) + " " + group.instances.front();
  return finding;
}

}  // namespace

std::vector<MeasuredFinding> findings_of(const RecordedTensor& t, const WrongPart& part,
                                         const std::vector<Explanations>& of_finders) {
  std::vector<Group> groups = groups_of(of_finders);
  std::vector<char> explained(part.rows.size());
  std::vector<MeasuredFinding> findings;
  const auto drop_chance = [&](Group& group) {
    keep_rows(group, [&](std::size_t n) { return !explained[n]; });
    drop_scattered_rows(part, group);
    if (!evident(t, part, group)) group.rows.clear();
  };
  for (;;) {
    // The explanation of most rows that are left, and the first of several
    for (Group& group : groups) drop_chance(group);
    const auto most = std::max_element(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
      return a.rows.size() < b.rows.size();
    });
    if (most == groups.end() || most->rows.empty()) return findings;
    findings.push_back(finding_of(t, part, *most));
    for (const std::size_t n : most->rows) explained[n] = true;
    groups.erase(most);
  }
}

RowsOfHead unexplained_rows(const WrongPart& part, const Explanations& explanations) {
  RowsOfHead rows;
  for (std::size_t n = 0; n < part.rows.size(); ++n)
    if (!explanations[n]) rows[{part.rows[n].b, part.rows[n].h}].push_back(n);
  return rows;
}

std::vector<std::size_t> some_of(const std::vector<std::size_t>& rows, std::size_t count) {
  if (rows.size() <= count) return rows;
  std::vector<std::size_t> some;
  for (std::size_t n = 0; n < count; ++n) some.push_back(rows[n * (rows.size() - 1) / (count - 1)]);
  return some;
}

std::string number_text(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", x);
  return text;
}

}  // namespace ringattn
