#include "reference/oracle/measured/finders/places.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "reference/oracle/error_bound/distance.h"

namespace ringattn {

namespace {

constexpr std::size_t most_matches = 2048;  // places that are kept for one row
constexpr std::size_t heads_to_list = 4;    // up to so many exchanged heads have a sentence each
constexpr std::size_t least_rows_of_rule = 3;

// A rule that leads from a wrong row to the place whose values it holds. The types are in order of preference.
struct Rule {
  enum Type { head, shift, constant, head_and_shift, none } type = none;
  ElementIndex from, to;  // head: b and h of both; constant: to.s; shift: from.s = 0 and to.s

  auto operator<=>(const Rule& other) const { return key() <=> other.key(); }
  std::array<Index, 7> key() const { return {type, from.b, from.h, from.s, to.b, to.h, to.s}; }
};

std::vector<Rule> rules_between(const ElementIndex& row, const ElementIndex& place) {
  const Index shift = place.s - row.s;
  const ElementIndex from{row.b, 0, row.h, 0};
  if (row.b != place.b || row.h != place.h)
    return {{shift == 0 ? Rule::head : Rule::head_and_shift, from, {place.b, shift, place.h, 0}}};
  return {{Rule::shift, {}, {0, shift, 0, 0}}, {Rule::constant, {}, {0, place.s, 0, 0}}};
}

// Finds the right rows that agree with given values: they are sorted by their first channel
class RightRows {
 public:
  RightRows(const RecordedTensor& tensor, const std::vector<Index>& channels)
      : t_(tensor), channels_(channels) {
    const Shape& shape = t_.shape();
    for (Index b = 0; b < shape.B; ++b)
      for (Index h = 0; h < shape.H; ++h)
        for (Index s = 0; s < shape.S; ++s) {
          const double value = t_.truth(b, s, h, channels.front()),
                       tolerance = t_.tolerance.head(b, h).row(s).maxCoeff();
          const double size = t_.truth.head(b, h).row(s).cwiseAbs().maxCoeff();
          if (!std::isfinite(value) || !(tolerance > 0) || !(size > 2 * largest_explained_error * tolerance))
            continue;  // what is nearly 0 has no place
          rows_.push_back({value, tolerance, {b, s, h, 0}});
          widest_ = std::max(widest_, tolerance);
        }
    std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.value < b.value; });
  }

  std::vector<ElementIndex> equal_to(const ElementIndex& row) const {
    std::vector<ElementIndex> places;
    const double x = found(row, channels_.front()), tolerance = largest_explained_error * widest_;
    auto next = std::lower_bound(rows_.begin(), rows_.end(), x - tolerance,
                                 [](const Row& a, double value) { return a.value < value; });
    for (; next != rows_.end() && next->value <= x + tolerance && places.size() < most_matches; ++next)
      if (!same_row(row, next->place) && agrees(row, *next)) places.push_back(next->place);
    return places;
  }

 private:
  struct Row {
    double value, tolerance;
    ElementIndex place;
  };

  static bool same_row(const ElementIndex& a, const ElementIndex& b) {
    return a.b == b.b && a.s == b.s && a.h == b.h;
  }
  double found(const ElementIndex& p, Index d) const { return t_.found(p.b, p.s, p.h, d); }
  bool agrees(const ElementIndex& row, const Row& right) const {
    const ElementIndex& p = right.place;
    return std::all_of(channels_.begin(), channels_.end(), [&](Index d) {
      return error_in_tolerances(found(row, d), t_.truth(p.b, p.s, p.h, d), right.tolerance) <=
             largest_explained_error;
    });
  }

  const RecordedTensor& t_;
  const std::vector<Index>& channels_;
  std::vector<Row> rows_;
  double widest_ = 0;
};

// ---- The predicate of a rule ---------------------------------------------------------

std::string number_of(Index n) { return std::to_string(n); }

std::string head_text(const RecordedTensor& t, const Rule& rule) {
  const std::string head = t.space.of_keys ? "K/V head " : "head ";
  std::string text;
  if (rule.to.h != rule.from.h) text = head + number_of(rule.to.h);
  if (rule.to.b != rule.from.b) text += (text.empty() ? "" : " of ") + ("sequence " + number_of(rule.to.b));
  return text;
}

// "row i + 8", for row i
std::string shift_text(const RecordedTensor& t, Index shift) {
  return std::string(t.space.of_keys ? "key" : "row") + " i " + (shift < 0 ? "- " : "+ ") +
         number_of(std::abs(shift));
}

std::string text_of(const RecordedTensor& t, const Rule& rule) {
  switch (rule.type) {
    case Rule::head:
      return "hold the values of " + head_text(t, rule);
    case Rule::shift:
      return "hold, in place of row i, the values of " + shift_text(t, rule.to.s);
    case Rule::constant:
      return std::string("hold the values of ") + (t.space.of_keys ? "key " : "row ") +
             number_of(t.space.rows[static_cast<std::size_t>(rule.to.s)]);
    case Rule::head_and_shift:
      return "hold, in place of row i, the values of " + shift_text(t, rule.to.s) + " of " +
             head_text(t, rule);
    case Rule::none:
      break;
  }
  return "hold the values of other places";
}

double hypotheses(const RecordedTensor& t, const Rule& rule) {
  const auto heads = static_cast<double>(t.shape().B * t.shape().H),
             shifts = 2 * static_cast<double>(t.shape().S);
  if (rule.type == Rule::head) return heads;
  return rule.type == Rule::shift || rule.type == Rule::constant ? shifts : heads * shifts;
}

// "0 <- 2, 1 <- 0, ...": the head whose values each head holds
std::string exchange_text(const std::set<std::pair<Index, Index>>& heads) {
  constexpr std::size_t most = 16;
  std::string text;
  std::size_t listed = 0;
  for (const auto& [from, to] : heads) {
    if (listed++ == most) return text + ", ...";
    text += (text.empty() ? "" : ", ") + number_of(from) + " <- " + number_of(to);
  }
  return text;
}

const char* const fix_of_place =
    "Check the index or the stride with which these rows are written, and from which their operands are "
    "read.";

using Matches = std::map<Rule, std::vector<std::size_t>>;  // the rows that follow each rule

// Gives each row the rule that most rows follow
std::vector<Rule> choose_rules(const Matches& matches, std::size_t rows) {
  std::vector<const Matches::value_type*> order;
  for (const auto& match : matches) order.push_back(&match);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return a->second.size() > b->second.size(); });
  std::vector<Rule> chosen(rows);
  for (const auto* match : order)
    for (const std::size_t n : match->second)
      if (chosen[n].type == Rule::none) chosen[n] = match->first;
  return chosen;
}

}  // namespace

void find_places(const RecordedTensor& t, const WrongPart& part, Explanations& explanations) {
  // The right rows that each wrong row equals, by rule
  const RightRows right(t, part.channels);
  Matches matches;
  std::vector<ElementIndex> first(part.rows.size());
  for (std::size_t n = 0; n < part.rows.size(); ++n) {
    if (explanations[n]) continue;
    const std::vector<ElementIndex> places = right.equal_to(part.rows[n]);
    if (!places.empty()) first[n] = places.front();
    for (const ElementIndex& place : places)
      for (const Rule& rule : rules_between(part.rows[n], place)) matches[rule].push_back(n);
  }
  const std::vector<Rule> chosen = choose_rules(matches, part.rows.size());

  // Rules of few rows, and exchanges of many heads, are reported together
  std::map<Rule, std::size_t> count;
  std::set<std::pair<Index, Index>> exchanged;
  bool same_sequence = true;
  for (const Rule& rule : chosen) ++count[rule];
  for (const auto& [rule, rows] : count)
    if (rule.type == Rule::head && rows >= least_rows_of_rule) {
      exchanged.insert({rule.from.h, rule.to.h});
      same_sequence = same_sequence && rule.from.b == rule.to.b;
    }
  for (std::size_t n = 0; n < chosen.size(); ++n) {
    const Rule& rule = chosen[n];
    if (rule.type == Rule::none || explanations[n]) continue;
    Explanation e{"place", text_of(t, rule), fix_of_place, "", 0, hypotheses(t, rule)};
    e.evidence = evidence_of_agreement(t, part.rows[n], part.channels);
    if (count[rule] < least_rows_of_rule) {
      ElementIndex place = first[n];
      place.s = t.space.rows[static_cast<std::size_t>(place.s)];
      e.predicate = text_of(t, Rule{});
      e.instance = "those of " + text_of(boxes_of({place}), t.space);
      e.evidence -= std::log10(static_cast<double>(t.shape().B * t.shape().H * t.shape().S));  // for each row
    } else if (rule.type == Rule::head && exchanged.size() > heads_to_list && same_sequence) {
      e.predicate = "hold the values of other heads: " + exchange_text(exchanged);
    }
    explanations[n] = e;
  }
}

}  // namespace ringattn
