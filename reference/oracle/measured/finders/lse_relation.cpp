#include "reference/oracle/measured/finders/lse_relation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "reference/oracle/measured/key_sums.h"

namespace ringattn {

namespace {

constexpr std::size_t least_rows_of_relation = 4;

struct LseRelation {
  std::string predicate, fix;
  std::function<double(const KeySums&)> value;
};

const std::vector<LseRelation>& relations() {
  static const std::vector<LseRelation> all{
      {"are those without the attention sink", "Add exp(sink) to the sum of weights.",
       [](const KeySums& k) { return k.m + std::log(k.l() - k.sink); }},
      {"are log2 of the sum of weights, 1.443 x lse", "Multiply by ln 2.",
       [](const KeySums& k) { return k.lse / std::log(2.0); }},
      {"are ln 2 x lse", "Do not multiply by ln 2.", [](const KeySums& k) { return k.lse * std::log(2.0); }},
      {"have the opposite sign", "Change the sign.", [](const KeySums& k) { return -k.lse; }},
      {"are the sum of weights without the logarithm, exp(lse)", "Take the logarithm.",
       [](const KeySums& k) { return std::exp(k.lse); }},
      {"are m alone, the largest score", "lse = m + log l.", [](const KeySums& k) { return k.m; }},
      {"are log l, without the largest score m", "lse = m + log l.",
       [](const KeySums& k) { return std::log(k.l()); }},
      {"are l, the sum relative to the largest score", "lse = m + log l.",
       [](const KeySums& k) { return k.l(); }},
      {"are m + l, without the logarithm of l", "lse = m + log l.",
       [](const KeySums& k) { return k.m + k.l(); }},
      {"are m ln 2 + log l, the maximum in base 2", "lse = m + log l, both with the natural logarithm.",
       [](const KeySums& k) { return k.m * std::log(2.0) + std::log(k.l()); }},
      {"are m / ln 2 + log l, the maximum in base 2", "lse = m + log l, both with the natural logarithm.",
       [](const KeySums& k) { return k.m / std::log(2.0) + std::log(k.l()); }},
      {"are smaller than the right ones by the mean of the scores of all keys, q . mean(k) x scale",
       "If the mean key is subtracted from k, add q . mean(k) x scale to lse.",
       [](const KeySums& k) { return k.lse - k.mean; }},
      {"are log n for n visible keys, as if all scores were 0", "Look for a q or k that is 0 or is not read.",
       [](const KeySums& k) { return std::log(k.visible_keys); }},
      {"have the hidden keys in their sum", "Leave hidden keys out of the sum of weights.",
       [](const KeySums& k) { return k.m + std::log(k.l() + k.hidden); }}};
  return all;
}

Vector<double> single(double x) { return Vector<double>::Constant(1, x); }

// Explains the rows of _rows_ with the same value, if they are most of them; returns whether it does
bool explain(const RecordedTensor& lse, const WrongPart& part, const std::vector<std::size_t>& rows,
             const std::vector<double>& values, const std::string& predicate, const std::string& fix,
             double hypotheses, Explanations& explanations) {
  std::vector<std::size_t> members;
  for (std::size_t n = 0; n < rows.size(); ++n)
    if (row_distance(lse, part.rows[rows[n]], single(values[n]), {0}) <= largest_explained_error / 2)
      members.push_back(rows[n]);
  if (members.size() < least_rows_of_relation || 10 * members.size() < 9 * rows.size()) return false;
  for (const std::size_t n : members)
    explanations[n] = {"lse", predicate, fix, "", evidence_of_agreement(lse, part.rows[n], {0}), hypotheses};
  return true;
}

// Explains the rows of one head by the first relation that holds, for a few rows and then for most
bool explain_by_relation(const Problem<double>& problem, const RecordedTensor& lse, const WrongPart& part,
                         const HeadPlace& head, const std::vector<std::size_t>& rows,
                         Explanations& explanations) {
  const auto sums_of = [&](const std::vector<std::size_t>& some) {
    std::vector<Index> global;
    for (const std::size_t n : some) global.push_back(lse.global_row(part.rows[n]));
    return key_sums(problem, head, global);
  };
  const std::vector<std::size_t> few = some_of(rows, rows_to_screen);
  const std::vector<KeySums> of_few = sums_of(few);
  std::vector<KeySums> of_all;
  for (const LseRelation& relation : relations()) {
    std::size_t agreeing = 0;
    for (std::size_t n = 0; n < few.size(); ++n)
      agreeing += row_distance(lse, part.rows[few[n]], single(relation.value(of_few[n])), {0}) <=
                  largest_explained_error / 2;
    if (2 * agreeing < few.size()) continue;
    if (of_all.empty()) of_all = sums_of(rows);
    std::vector<double> values;
    for (const KeySums& k : of_all) values.push_back(relation.value(k));
    if (explain(lse, part, rows, values, relation.predicate, relation.fix,
                static_cast<double>(relations().size()), explanations))
      return true;
  }
  return false;
}

double true_lse(const RecordedTensor& lse, const ElementIndex& p) { return lse.truth(p.b, p.s, p.h, 0); }
double found_lse(const RecordedTensor& lse, const ElementIndex& p) { return lse.found(p.b, p.s, p.h, 0); }

// "0.6931 = ln 2"
std::string constant_text(double c) {
  const double ratio = std::exp(std::abs(c)), whole = std::round(ratio);
  const bool logarithm = whole >= 2 && whole <= 64 && std::abs(ratio - whole) <= 0.01 * whole;
  return number_text(std::abs(c)) + (logarithm ? " = ln " + number_text(whole) : "");
}

// Whether right rows stand between some wrong rows of the same heads, which would be wrong by the same constant.
// _mates_ tells whether a row belongs to them
bool right_rows_between(const WrongPart& part, const std::vector<std::size_t>& rows,
                        const std::function<bool(Index)>& mates) {
  std::map<HeadPlace, std::pair<Index, Index>> extents;  // first and last row
  for (const std::size_t n : rows) {
    const ElementIndex& row = part.rows[n];
    const auto [extent, added] = extents.try_emplace({row.b, row.h}, row.s, row.s);
    if (!added) extent->second.second = row.s;
  }
  std::size_t all = 0;
  for (const auto& [head, extent] : extents)
    for (Index s = extent.first; s <= extent.second; ++s) all += mates(s);
  return 10 * rows.size() < 9 * all;
}

// A constant for some rows: the median of the differences
bool explain_constant(
    const RecordedTensor& lse, const WrongPart& part, const std::vector<std::size_t>& rows,
    Explanations& explanations, const std::function<bool(Index)>& mates = [](Index) { return true; }) {
  if (right_rows_between(part, rows, mates)) return false;
  std::vector<double> differences;
  for (const std::size_t n : rows) {
    differences.push_back(found_lse(lse, part.rows[n]) - true_lse(lse, part.rows[n]));
    if (!std::isfinite(differences.back())) return false;
  }
  std::nth_element(differences.begin(), differences.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2),
                   differences.end());
  const double c = differences[rows.size() / 2];
  std::vector<double> values;
  for (const std::size_t n : rows) values.push_back(true_lse(lse, part.rows[n]) + c);
  return explain(
      lse, part, rows, values,
      std::string("are ") + (c > 0 ? "larger" : "smaller") + " than the right ones by " + constant_text(c),
      "Look for weights that count more or less than once in every row.", 1000, explanations);
}

// exp(lse) of a row that is too large by this
double extra_term(const RecordedTensor& lse, const ElementIndex& p) {
  return std::exp(found_lse(lse, p)) - std::exp(true_lse(lse, p));
}

// One term that the sums of some rows have too much: the median
bool explain_extra_term(const RecordedTensor& lse, const WrongPart& part,
                        const std::vector<std::size_t>& rows, Explanations& explanations) {
  std::vector<double> terms;
  for (const std::size_t n : rows)
    if (const double term = extra_term(lse, part.rows[n]); std::isfinite(term)) terms.push_back(term);
  if (terms.empty()) return false;
  const auto middle = terms.begin() + static_cast<std::ptrdiff_t>(terms.size() / 2);
  std::nth_element(terms.begin(), middle, terms.end());
  const double whole = std::round(*middle),
               term = std::abs(*middle - whole) <= 0.02 * whole ? whole : *middle;
  if (!(term > 0)) return false;
  std::vector<double> values;
  for (const std::size_t n : rows) values.push_back(std::log(std::exp(true_lse(lse, part.rows[n])) + term));
  return explain(lse, part, rows, values,
                 "have the term " + number_text(term) + " too much in their sum, as of a sink with logit " +
                     number_text(std::log(term)),
                 "Look for padding keys or empty parts that take part in the softmax.", 1000, explanations);
}

// Whole numbers of terms exp(0) that the sums have too much
void explain_whole_terms(const RecordedTensor& lse, const WrongPart& part,
                         const std::vector<std::size_t>& rows, Explanations& explanations) {
  constexpr double largest_chance = 0.2;  // that a number is near a whole one
  double least = INFINITY, largest = 0;
  std::vector<std::pair<std::size_t, double>> members;  // with their evidence
  std::size_t certain = 0;
  for (const std::size_t n : rows) {
    const ElementIndex& p = part.rows[n];
    const double whole = std::round(extra_term(lse, p)), sum = std::exp(true_lse(lse, p)) + whole,
                 chance = 4 * lse.tolerance(p.b, p.s, p.h, 0) * sum;
    if (!(chance < largest_chance)) continue;
    ++certain;
    if (!(whole >= 1) || !(row_distance(lse, p, single(std::log(sum)), {0}) <= largest_explained_error / 2))
      continue;
    least = std::min(least, whole), largest = std::max(largest, whole);
    members.emplace_back(n, -std::log10(chance));
  }
  if (members.size() < least_rows_of_relation || 10 * members.size() < 9 * certain) return;
  const std::string predicate = "have whole numbers too much in their sum, from " + number_text(least) +
                                " to " + number_text(largest) + ": so many terms exp(0)";
  for (const auto& [n, evidence] : members)
    explanations[n] = {
        "lse", predicate, "A part without visible keys has lse = -inf, not 0; padding has the score -inf.",
        "",    evidence,  1000};
}

// Rows without a visible key, where lse is -inf
void explain_empty_rows(const RecordedTensor& lse, const WrongPart& part, Explanations& explanations) {
  for (std::size_t n = 0; n < part.rows.size(); ++n)
    if (!explanations[n] && std::isinf(true_lse(lse, part.rows[n])))
      explanations[n] = {"empty rows",
                         "are " + number_text(found_lse(lse, part.rows[n])) + ", but see no key",
                         "Set lse = -inf, and out = 0, where no key is visible.",
                         "",
                         100,
                         1};
}

}  // namespace

void find_lse_relation(const Problem<double>& problem, const RecordedTensor& lse, const WrongPart& part,
                       Explanations& explanations) {
  explain_empty_rows(lse, part, explanations);
  const RowsOfHead of_heads = unexplained_rows(part, explanations);

  // A relation of each head
  std::vector<std::size_t> all;
  for (const auto& [head, rows] : of_heads)
    if (!explain_by_relation(problem, lse, part, head, rows, explanations))
      all.insert(all.end(), rows.begin(), rows.end());

  // A constant of all rows, of each head, of each device
  if (all.empty() || explain_constant(lse, part, all, explanations)) return;
  if (explain_extra_term(lse, part, all, explanations)) return;
  explain_whole_terms(lse, part, all, explanations);
  for (const auto& [head, rows] : unexplained_rows(part, explanations))
    if (rows.size() >= least_rows_of_relation) explain_constant(lse, part, rows, explanations);
  std::map<int, std::vector<std::size_t>> of_devices;
  for (std::size_t n = 0; n < part.rows.size(); ++n)
    if (!explanations[n] && lse.space.sharding)
      of_devices[lse.space.sharding->device_of(lse.global_row(part.rows[n]))].push_back(n);
  for (const auto& [device, rows] : of_devices)
    if (rows.size() >= least_rows_of_relation)
      explain_constant(lse, part, rows, explanations, [&, of = device](Index s) {
        return lse.space.sharding->device_of(lse.space.rows[static_cast<std::size_t>(s)]) == of;
      });
}

}  // namespace ringattn
