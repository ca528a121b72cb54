#include "reference/oracle/measured/finders/row_sum.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "reference/oracle/measured/finders/factor.h"
#include "reference/oracle/measured/key_sums.h"

namespace ringattn {

namespace {

constexpr std::size_t least_rows_of_law = 4;

// A row that is a factor times the truth
struct ProportionalRow {
  std::size_t n;  // in the part
  RowFactor factor;
  KeySums sums;
};

// The unexplained rows of a head that are proportional to the truth
std::vector<ProportionalRow> proportional_rows(const Problem<double>& problem, const RecordedTensor& out,
                                               const WrongPart& part, const HeadPlace& head,
                                               const std::vector<std::size_t>& rows) {
  std::vector<ProportionalRow> found;
  std::vector<Index> global;
  for (const std::size_t n : rows) {
    const ElementIndex& row = part.rows[n];
    const RowFactor factor = factor_of_row(out, row, part.channels);
    const Vector<double> truth = out.truth.head(row.b, row.h).row(row.s).transpose();
    if (!std::isfinite(factor.c) || !(factor.uncertainty < largest_uncertainty)) continue;
    if (!(row_distance(out, row, factor.c * truth, part.channels) <= largest_explained_error / 2)) continue;
    found.push_back({n, factor, {}}), global.push_back(out.global_row(row));
  }
  const std::vector<KeySums> sums = key_sums(problem, head, global);
  for (std::size_t n = 0; n < found.size(); ++n) found[n].sums = sums[n];
  return found;
}

// A law: the factor that follows from the sums of a row
struct SumLaw {
  std::string predicate, fix;
  std::function<double(const KeySums&)> factor;
};

std::vector<SumLaw> laws_of(double constant_term) {
  std::vector<SumLaw> all{
      {"were divided by a sum without the attention sink", "Begin l with exp(sink - m).",
       [](const KeySums& k) { return k.l() / (k.l() - k.sink); }},
      {"were not divided by l", "Divide by l, the sum of the weights, at the end.",
       [](const KeySums& k) { return k.l(); }},
      {"were divided by l twice", "Divide by l, the sum of the weights, once.",
       [](const KeySums& k) { return 1 / k.l(); }},
      {"were divided by a sum that has the hidden keys in it", "Apply the mask before the softmax.",
       [](const KeySums& k) { return k.l() / (k.l() + k.hidden); }},
      {"were divided by l + 1, l relative to the largest score", "Begin l with 0.",
       [](const KeySums& k) { return k.l() / (k.l() + 1); }},
      {"were divided by the number of visible keys, beside l", "Divide by l only.",
       [](const KeySums& k) { return 1 / k.visible_keys; }}};
  if (constant_term > 0)
    all.push_back({"were divided by a sum with the term " + number_text(constant_term) +
                       " too much, as of a sink with logit " + number_text(std::log(constant_term)) +
                       ", or of " + number_text(constant_term) + " more keys with score 0",
                   "Declare the sink, or leave padding keys out of the softmax.",
                   [constant_term](const KeySums& k) { return 1 / (1 + constant_term * std::exp(-k.lse)); }});
  return all;
}

// The median of exp(lse) (1 / c - 1), the term that the sum of each row has too much; a whole number if it is near
double constant_term(const std::vector<ProportionalRow>& rows) {
  std::vector<double> terms;
  for (const ProportionalRow& row : rows)
    if (const double term = std::exp(row.sums.lse) * (1 / row.factor.c - 1); std::isfinite(term))
      terms.push_back(term);
  if (terms.empty()) return 0;
  std::nth_element(terms.begin(), terms.begin() + static_cast<std::ptrdiff_t>(terms.size() / 2), terms.end());
  const double term = terms[terms.size() / 2], whole = std::round(term);
  return std::abs(term - whole) <= 0.02 * whole ? whole : term;
}

// The rows that follow a law
std::vector<std::size_t> followers(const SumLaw& law, const RecordedTensor& out, const WrongPart& part,
                                   const std::vector<ProportionalRow>& rows) {
  std::vector<std::size_t> follow;
  for (const ProportionalRow& row : rows) {
    const ElementIndex& p = part.rows[row.n];
    const Vector<double> candidate = law.factor(row.sums) * out.truth.head(p.b, p.h).row(p.s).transpose();
    if (row_distance(out, p, candidate, part.channels) <= largest_explained_error / 2)
      follow.push_back(row.n);
  }
  return follow;
}

void explain(const RecordedTensor& out, const WrongPart& part, const std::vector<std::size_t>& rows,
             const std::string& predicate, const std::string& fix, Explanations& explanations) {
  for (const std::size_t n : rows) {
    explanations[n] = {"row sum", predicate, fix, "", 0, 1000};
    explanations[n]->evidence = evidence_of_agreement(out, part.rows[n], part.channels);
  }
}

// Whether most rows have the sum of their lse: out is too large by exp(right lse - lse)
bool agrees_with_lse(const RecordedTensor& out, const RecordedTensor& lse, const WrongPart& part,
                     const std::vector<ProportionalRow>& rows) {
  std::size_t agreeing = 0;
  for (const ProportionalRow& row : rows) {
    const ElementIndex& p = part.rows[row.n];
    const double factor = std::exp(lse.truth(p.b, p.s, p.h, 0) - lse.found(p.b, p.s, p.h, 0));
    const Vector<double> candidate = factor * out.truth.head(p.b, p.h).row(p.s).transpose();
    agreeing += row_distance(out, p, candidate, part.channels) <= largest_explained_error;
  }
  return 10 * agreeing >= 9 * rows.size();
}

}  // namespace

void find_row_sum(const Problem<double>& problem, const RecordedTensor& out, const RecordedTensor* lse,
                  const WrongPart& part, Explanations& explanations) {
  if (part.channels.size() < least_channels) return;
  std::vector<ProportionalRow> all;
  for (const auto& [head, rows] : unexplained_rows(part, explanations)) {
    const std::vector<ProportionalRow> some = proportional_rows(problem, out, part, head, rows);
    if (some.size() >= least_rows_of_law) all.insert(all.end(), some.begin(), some.end());
  }
  if (all.empty()) return;

  // The law that most rows follow, if it is the only one
  const SumLaw* best = nullptr;
  std::vector<std::size_t> most;
  std::size_t second = 0;
  const std::vector<SumLaw> laws = laws_of(constant_term(all));
  for (const SumLaw& law : laws) {
    std::vector<std::size_t> follow = followers(law, out, part, all);
    second = std::max(second, std::min(follow.size(), most.size()));
    if (follow.size() > most.size()) best = &law, most = std::move(follow);
  }
  if (best && 2 * most.size() > all.size() && 2 * second < most.size()) {
    explain(out, part, most, best->predicate, best->fix, explanations);
    return;
  }

  // No law: right up to the sum
  double least = all.front().factor.c, largest = least;
  std::vector<std::size_t> rows;
  for (const ProportionalRow& row : all) {
    least = std::min(least, row.factor.c), largest = std::max(largest, row.factor.c);
    rows.push_back(row.n);
  }
  const bool of_lse = lse && agrees_with_lse(out, *lse, part, all);
  explain(
      out, part, rows,
      "are right up to a factor of each row, from " + number_text(least) + " to " + number_text(largest) +
          (of_lse ? ", which is exp(right lse - your lse)" : ""),
      of_lse
          ? "The weights are right, and out and lse have the same wrong sum: look at how l is summed and "
            "merged."
          : "The weights are right but for their sum: look at the division by l, and at how partial results "
            "are scaled.",
      explanations);
}

}  // namespace ringattn
