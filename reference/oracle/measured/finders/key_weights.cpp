#include "reference/oracle/measured/finders/key_weights.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/measured/finders/factor.h"
#include "reference/oracle/measured/group_factors.h"
#include "reference/oracle/measured/head_attention.h"

namespace ringattn {

namespace {

constexpr std::size_t rows_to_weigh = 64;
constexpr std::size_t least_rows_of_weights = 3;  // of a head, to fit factors
constexpr std::size_t most_factors = 6;           // in a sentence
constexpr Index width_of_tile = 16, most_tiles = 64, most_tiles_of_pairs = 16;

// Groups of keys. The keys of a group that the mask hides from a row are a group of their own.
struct Grouping {
  Index count = 0;
  std::function<Index(Index i, Index j)> of;  // the group of key j for the global row i
  // "the block of device 2": some groups; _met_: all groups that the rows see
  std::function<std::string(const std::vector<Index>& some, const std::vector<Index>& met)> text;
};

// Groups with names of their own
std::function<std::string(const std::vector<Index>&, const std::vector<Index>&)> names_text(
    std::vector<std::string> names) {
  return [names = std::move(names)](const std::vector<Index>& some, const std::vector<Index>&) {
    std::string text;
    for (const Index group : some)
      text += (text.empty() ? "" : ", ") + names[static_cast<std::size_t>(group)];
    return text;
  };
}

// The sums of the rows of one head: visible groups first, then hidden ones
std::vector<GroupSums> sums_of(const Problem<double>& problem, const RecordedTensor& out,
                               const WrongPart& part, const HeadPlace& head,
                               const std::vector<std::size_t>& rows, const Grouping& grouping) {
  std::vector<Index> global;
  for (const std::size_t n : rows) global.push_back(out.global_row(part.rows[n]));
  Tensor<double> Q;
  const Problem<double> one = one_head(problem, head.b, right_operands(problem, head.b, head.h), global, Q);
  const Matrix<double> S = unmasked_scores(one, 0, 0), V = one.V.head(0, 0);
  const Index groups = grouping.count;
  std::vector<GroupSums> all;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const ElementIndex& row = part.rows[rows[n]];
    const auto i = static_cast<Index>(n);
    GroupSums sums{Vector<double>::Zero(2 * groups), Vector<double>::Zero(2 * groups),
                   Matrix<double>::Zero(2 * groups, V.cols()),
                   out.found.head(row.b, row.h).row(row.s).transpose(),
                   out.tolerance.head(row.b, row.h).row(row.s).maxCoeff()};
    // Relative to the largest score, which the wrong row may see although it is hidden
    const double m = S.row(i).maxCoeff();
    double total = 0;
    for (Index j = 0; j < S.cols(); ++j) {
      const bool sees = visible(one.q_positions.of(0)[n], one.kv_positions.of(0)[static_cast<std::size_t>(j)],
                                one.scoring.mask);
      const Index group = grouping.of(global[n], j);
      const Index place = group + (sees ? 0 : groups);
      const double weight = std::exp(S(i, j) - m);
      ++sums.keys(place), sums.weight(place) += weight, sums.value.row(place) += weight * V.row(j);
      total += sees ? weight : 0;
    }
    if (total > 0) sums.weight /= total, sums.value /= total;
    all.push_back(std::move(sums));
  }
  return all;
}

// "lost the block of device 2; they see hidden keys with weight 1: ..."; empty if all factors are right, or are numbers
// of no meaning. Sets the factors to the numbers that are reported.
std::string predicate_of(const GroupFactors& fitted, const Grouping& grouping, Vector<double>& f) {
  const Index groups = grouping.count;
  std::map<std::string, std::vector<Index>> groups_of_verb;
  std::vector<Index> met;
  std::set<double> unusual;
  std::size_t count = 0, hidden_groups = 0;
  f = fitted.f;
  for (Index g = 0; g < f.size(); ++g) {
    const bool hidden = groups <= g, determined = fitted.uncertainty(g) <= largest_uncertainty;
    f(g) = rounded_factor(fitted.f(g), std::max(0.02, 3 * fitted.uncertainty(g)));
    if (!hidden && std::isfinite(fitted.uncertainty(g))) met.push_back(g);
    hidden_groups += hidden && determined;
    if (f(g) == (hidden ? 0 : 1) || !determined) continue;
    if (!is_usual_factor(f(g))) unusual.insert(f(g));
    ++count;
    groups_of_verb[hidden      ? "see hidden keys with weight " + number_text(f(g)) + ": "
                   : f(g) == 0 ? "lost "
                               : "count " + number_text(f(g)) + " x "]
        .push_back(g % groups);
  }
  if (count > most_factors || unusual.size() > 1) return "";
  std::string text;
  for (const auto& [verb, some] : groups_of_verb) {
    const bool all_hidden = verb.starts_with("see") && some.size() > 1 && some.size() == hidden_groups;
    text += (text.empty() ? "" : "; they ") + verb + (all_hidden ? "all" : grouping.text(some, met));
  }
  return text;
}

// The number of keys of a row whose factor is not 0
Index keys_with(const Vector<double>& f, const GroupSums& row) {
  return static_cast<Index>((f.array() != 0).select(row.keys, 0).sum());
}

// Fits the rows of one head, and explains those that the factors reproduce
void explain_rows(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                  const HeadPlace& head, const std::vector<std::size_t>& rows, const Grouping& grouping,
                  Explanations& explanations) {
  if (rows.size() < least_rows_of_weights) return;
  const std::vector<GroupSums> some =
      sums_of(problem, out, part, head, some_of(rows, rows_to_weigh), grouping);
  std::vector<char> visible_groups(static_cast<std::size_t>(some.front().weight.size()), true);
  std::fill(visible_groups.begin() + grouping.count, visible_groups.end(), false);
  const std::optional<GroupFactors> fitted = fit_group_factors(some, visible_groups, part.channels);
  if (!fitted) return;

  Vector<double> f;
  const std::string predicate = predicate_of(*fitted, grouping, f);
  if (predicate.empty()) return;
  const std::vector<GroupSums> all = sums_of(problem, out, part, head, rows, grouping);
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const ElementIndex& row = part.rows[rows[n]];
    if (!(row_distance(out, row, row_with_factors(all[n], f), part.channels) <= largest_explained_error / 2))
      continue;
    explanations[rows[n]] = {"weights",
                             predicate,
                             "Look at which keys these rows attend to, and how often.",
                             "",
                             evidence_of_agreement(out, row, part.channels, keys_with(f, all[n])),
                             1e4};
  }
}

void explain_heads(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                   const Grouping& grouping, const std::function<bool(Index row)>& of_grouping,
                   Explanations& explanations) {
  if (!problem.scoring.sinks.empty()) return;  // the fit is one of weights that sum to 1
  std::map<HeadPlace, std::vector<std::size_t>> heads;
  for (std::size_t n = 0; n < part.rows.size(); ++n)
    if (of_grouping(out.global_row(part.rows[n]))) heads[{part.rows[n].b, part.rows[n].h}].push_back(n);
  std::vector<const decltype(heads)::value_type*> list;
  for (const auto& head : heads) list.push_back(&head);
  parallel_for(static_cast<Index>(list.size()), [&](Index n) {
    const auto& [head, rows] = *list[static_cast<std::size_t>(n)];
    explain_rows(problem, out, part, head, rows, grouping, explanations);
  });
}

// Groups of keys by index: single at both ends of the sequence, otherwise tiles
Grouping tiles_of_keys(Index keys) {
  constexpr Index ends = 2;
  std::vector<std::string> names;
  std::vector<Index> group_of(static_cast<std::size_t>(keys));
  for (Index j = 0; j < keys; ++j) {
    const bool end = j < ends || j >= keys - ends, begins = end || j % width_of_tile == 0 || j == ends;
    const Index last = end ? j : std::min(keys - ends, (j / width_of_tile + 1) * width_of_tile) - 1;
    if (begins)
      names.push_back(j == last ? "key " + std::to_string(j)
                                : "keys " + std::to_string(j) + ".." + std::to_string(last));
    group_of[static_cast<std::size_t>(j)] = static_cast<Index>(names.size()) - 1;
  }
  const auto count = static_cast<Index>(names.size());
  return {count,
          [group_of = std::move(group_of)](Index, Index j) { return group_of[static_cast<std::size_t>(j)]; },
          names_text(std::move(names))};
}

}  // namespace

void find_block_weights(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                        const Sharding& sharding, DeviceNaming naming, Explanations& explanations) {
  const Index devices = sharding.devices();
  if (devices == 1) return;
  for (Index own = 0; own < devices; ++own) {
    const Grouping grouping{devices, [&](Index, Index j) { return Index{sharding.keys.device_of(j)}; },
                            [&](const std::vector<Index>& some, const std::vector<Index>& met) {
                              return blocks_text(some, own, met, devices, naming);
                            }};
    explain_heads(
        problem, out, part, grouping, [&](Index row) { return sharding.queries.device_of(row) == own; },
        explanations);
  }
}

void find_distance_weights(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                           Explanations& explanations) {
  if (problem.kv_positions.sequences() > 1 || problem.q_positions.sequences() > 1) return;

  // Distances with a group each, in the order of their groups; the others are bins between them
  constexpr Index near = 3;
  const Mask& mask = problem.scoring.mask;
  std::vector<Index> single;
  for (Index d = -near; d <= near; ++d) single.push_back(d);
  if (mask.window_left > near)
    for (Index d = -1; d <= 1; ++d) single.push_back(-mask.window_left + d);
  if (mask.window_right > near && !mask.causal)
    for (Index d = -1; d <= 1; ++d) single.push_back(mask.window_right + d);
  std::vector<std::string> names;
  for (const Index d : single)
    names.push_back(d == 0 ? "the key of their own position"
                           : "the key at " + std::to_string(std::abs(d)) + (d < 0 ? " before" : " after") +
                                 " their position");
  names.insert(names.end(), {"all earlier keys", "all later keys"});
  Grouping grouping{static_cast<Index>(names.size()), {}, names_text(names)};
  grouping.of = [&, single](Index i, Index j) {
    const Index d = problem.kv_positions.of(0)[static_cast<std::size_t>(j)].position -
                    problem.q_positions.of(0)[static_cast<std::size_t>(i)].position;
    const auto found = std::find(single.begin(), single.end(), d);
    if (found != single.end()) return static_cast<Index>(found - single.begin());
    return static_cast<Index>(single.size()) + (d < 0 ? 0 : 1);
  };
  explain_heads(
      problem, out, part, grouping, [](Index) { return true; }, explanations);
}

void find_tile_weights(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                       Explanations& explanations) {
  if (problem.K.shape.S > width_of_tile * most_tiles) return;
  explain_heads(
      problem, out, part, tiles_of_keys(problem.K.shape.S), [](Index) { return true; }, explanations);
}

void find_tile_pair_weights(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                            Explanations& explanations) {
  if (problem.K.shape.S > width_of_tile * most_tiles_of_pairs) return;
  const Grouping grouping = tiles_of_keys(problem.K.shape.S);
  for (Index first = 0; first < problem.Q.shape.S; first += width_of_tile)
    explain_heads(
        problem, out, part, grouping, [&](Index row) { return row / width_of_tile == first / width_of_tile; },
        explanations);
}

void find_edge_weights(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                       Explanations& explanations) {
  if (problem.kv_positions.sequences() > 1 || problem.q_positions.sequences() > 1) return;
  const auto query = [&](Index i) { return problem.q_positions.of(0)[static_cast<std::size_t>(i)].position; };
  const auto key = [&](Index j) { return problem.kv_positions.of(0)[static_cast<std::size_t>(j)].position; };
  for (Index tile = 16; tile <= 128 && tile < problem.K.shape.S; tile *= 2) {
    std::vector<std::string> names;
    for (const char* of : {"earlier tiles", "their own tile", "later tiles"})
      for (const char* keys : {"the first key", "the last key", "the keys between first and last"})
        names.push_back(std::string(keys) + " of " + of + " of " + std::to_string(tile));
    const Grouping grouping{static_cast<Index>(names.size()),
                            [=](Index i, Index j) {
                              const Index of_query = query(i) / tile, of_key = key(j) / tile,
                                          place = key(j) % tile;
                              const Index order = of_key < of_query ? 0 : of_key == of_query ? 1 : 2;
                              return 3 * order + (place == 0 ? 0 : place == tile - 1 ? 1 : 2);
                            },
                            names_text(names)};
    explain_heads(
        problem, out, part, grouping, [](Index) { return true; }, explanations);
    if (std::any_of(explanations.begin(), explanations.end(), [](const auto& e) { return e.has_value(); }))
      return;
  }
}

}  // namespace ringattn
