#include "reference/oracle/measured/finding.h"

#include <cmath>
#include <cstdio>
#include <map>

namespace ringattn {

namespace {

constexpr double least_evidence = 6;  // chance of a false finding: at most 10^-6

// The evidence of n rows out of N for one explanation: the rows were chosen in C(N, n) <= (e N / n)^n ways, the
// explanation among _hypotheses_
double pooled_evidence(double sum, std::size_t n, std::size_t N, double hypotheses) {
  const auto rows = static_cast<double>(n);
  return sum - rows * std::log10(std::exp(1.0) * static_cast<double>(N) / rows) - std::log10(hypotheses);
}

Finding finding_of(const RecordedTensor& t, const WrongPart& part, const std::vector<std::size_t>& members,
                   const Explanation& explanation) {
  Finding finding{explanation.kind, t.name, {}, {}, {}, explanation.fix, static_cast<Index>(members.size())};
  std::vector<ElementIndex> places;
  for (const std::size_t n : members) {
    const ElementIndex& row = part.rows[n];
    places.push_back({row.b, t.global_row(row), row.h, 0});
  }
  finding.boxes = boxes_of(places);
  const bool whole = static_cast<Index>(part.channels.size()) == t.shape().D;
  if (!whole) finding.channels = part.channels;
  finding.sentence = t.name + ": " + (whole ? "" : channels_text(part.channels) + " of ") +
                     text_of(finding.boxes, t.space) + " " + explanation.says;
  if (!explanation.instance.empty())
    finding.sentence +=
        ", such as " + text_of(boxes_of({places.front()}), t.space) + " " + explanation.instance;
  return finding;
}

}  // namespace

std::vector<Finding> findings_of(const RecordedTensor& t, const WrongPart& part, Explanations& explanations) {
  // Rows by explanation, in the order of the first row
  std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> members;
  std::vector<std::pair<std::string, std::string>> order;
  for (std::size_t n = 0; n < explanations.size(); ++n) {
    if (!explanations[n]) continue;
    const std::pair key(explanations[n]->kind, explanations[n]->says);
    if (members[key].empty()) order.push_back(key);
    members[key].push_back(n);
  }

  std::vector<Finding> findings;
  for (const auto& key : order) {
    const std::vector<std::size_t>& rows = members[key];
    double evidence = 0;
    for (const std::size_t n : rows) evidence += explanations[n]->evidence;
    const Explanation& first = *explanations[rows.front()];
    if (pooled_evidence(evidence, rows.size(), part.rows.size(), first.hypotheses) >= least_evidence)
      findings.push_back(finding_of(t, part, rows, first));
    else
      for (const std::size_t n : rows) explanations[n].reset();
  }
  return findings;
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
