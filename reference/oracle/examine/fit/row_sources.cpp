#include "reference/oracle/examine/fit/row_sources.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

#include "reference/oracle/examine/fit/position_maps.h"

namespace ringattn {

namespace {

using Sources = std::vector<RowSource>;

template <class Condition>
bool all(const Sources& sources, const Condition& condition) {
  return std::all_of(sources.begin(), sources.end(), condition);
}

bool same_head(const RowSource& s) { return s.b == s.from_b && s.h == s.from_h; }

// The heads and rows of a set of sources
std::vector<HeadRows> places(const Sources& sources) {
  std::map<std::pair<Index, Index>, std::set<Index>> rows;
  for (const RowSource& s : sources) rows[{s.b, s.h}].insert(s.row);
  std::vector<HeadRows> where;
  for (const auto& [head, of_head] : rows)
    where.push_back({head.first, head.second, {of_head.begin(), of_head.end()}});
  return where;
}

// ---- One order of the rows, in every head ----------------------------------------

// The source of each row that has one, if all heads agree
std::optional<std::map<Index, Index>> row_map(const Sources& sources) {
  std::map<Index, Index> map;
  for (const RowSource& s : sources)
    if (!same_head(s) || map.try_emplace(s.row, s.from_row).first->second != s.from_row) return std::nullopt;
  return map;
}

// The known order that gives these sources
std::optional<PositionMap> known_order(const ExaminationState& state, const std::map<Index, Index>& map) {
  const Index S = state.attention.q.S;
  std::vector<PositionMap> orders = position_maps(state.sharding.queries, S);
  PositionMap reversed{.subject = "reversed"};
  for (Index n = 0; n < S; ++n) reversed.position.push_back(S - 1 - n);
  orders.push_back(reversed);
  for (PositionMap& order : orders) {
    std::vector<Index> sorted = order.position, identity(sorted.size());
    std::sort(sorted.begin(), sorted.end());
    std::iota(identity.begin(), identity.end(), 0);
    const bool fits = std::all_of(map.begin(), map.end(), [&](const auto& each) {
      return order.position[static_cast<std::size_t>(each.first)] == each.second;
    });
    if (sorted == identity && fits) return order;
  }
  return std::nullopt;
}

bool add_one_order(ExaminationState& state, FindingKind kind, const Sources& sources) {
  const auto map = row_map(sources);
  if (!map || map->empty()) return false;
  Finding finding{.kind = kind, .where = places(sources), .subject = "rows"};
  if (const auto order = known_order(state, *map)) {
    finding.subject = order->subject;
    finding.numbers["n"] = static_cast<double>(order->n);
    if (order->subject == "slot" || order->subject == "holder") finding.quoted = name(order->layout);
  } else {
    const Index shift = map->begin()->second - map->begin()->first;
    if (std::all_of(map->begin(), map->end(),
                    [&](const auto& each) { return each.second - each.first == shift; }))
      finding.subject = "shift", finding.numbers["shift"] = static_cast<double>(shift);
    else
      for (const auto& [row, source] : *map)
        finding.indices["rows"].push_back(row), finding.indices["sources"].push_back(source);
  }
  state.findings.add(finding);
  return true;
}

// ---- Axes in another order --------------------------------------------------------

// Memory that was written with the axes (K/V head, member of its group, row) in one order and read in another
bool add_axis_order(ExaminationState& state, FindingKind kind, const Sources& sources) {
  const Index Hkv = state.attention.k.H, G = state.attention.q.H / Hkv, S = state.attention.q.S;
  const std::array<Index, 3> extents{Hkv, G, S};
  const auto flat = [&](Index h, Index row, const std::array<Index, 3>& order) {
    const std::array<Index, 3> index{h / G, h % G, row};
    Index n = 0;
    for (const Index axis : order)
      n = n * extents[static_cast<std::size_t>(axis)] + index[static_cast<std::size_t>(axis)];
    return n;
  };
  if (!all(sources, [](const RowSource& s) { return s.b == s.from_b; })) return false;
  std::array<Index, 3> written{0, 1, 2};
  do {
    std::array<Index, 3> read{0, 1, 2};
    do {
      if (written == read) continue;
      if (!all(sources, [&](const RowSource& s) {
            return flat(s.from_h, s.from_row, written) == flat(s.h, s.row, read);
          }))
        continue;
      state.findings.add(
          {.kind = kind,
           .where = places(sources),
           .indices = {{"written", {written.begin(), written.end()}}, {"read", {read.begin(), read.end()}}},
           .subject = "axes"});
      return true;
    } while (std::next_permutation(read.begin(), read.end()));
  } while (std::next_permutation(written.begin(), written.end()));
  return false;
}

// ---- Head by head -----------------------------------------------------------------

Finding finding_of_head(FindingKind kind, const Sources& sources) {
  Finding finding{.kind = kind, .where = places(sources)};
  const RowSource& first = sources[0];
  const bool one_head =
      all(sources, [&](const RowSource& s) { return s.from_b == first.from_b && s.from_h == first.from_h; });
  const Index shift = first.from_row - first.row;
  if (one_head && all(sources, [&](const RowSource& s) { return s.from_row - s.row == shift; })) {
    finding.subject = "head";
    finding.numbers = {{"batch", static_cast<double>(first.from_b)},
                       {"head", static_cast<double>(first.from_h)},
                       {"shift", static_cast<double>(shift)}};
    return finding;
  }
  finding.subject = "list";
  for (const RowSource& s : sources)
    for (const Index each : {s.row, s.from_b, s.from_h, s.from_row})
      finding.indices["row_batch_head_row"].push_back(each);
  return finding;
}

}  // namespace

void add_row_sources(ExaminationState& state, FindingKind kind, const std::vector<RowSource>& sources) {
  if (sources.empty() || add_one_order(state, kind, sources)) return;
  std::map<std::pair<Index, Index>, Sources> by_head;
  for (const RowSource& s : sources) by_head[{s.b, s.h}].push_back(s);
  std::vector<Finding> findings;
  for (const auto& [head, of_head] : by_head) findings.push_back(finding_of_head(kind, of_head));
  const auto is_list = [](const Finding& finding) { return finding.subject == "list"; };
  if (std::any_of(findings.begin(), findings.end(), is_list) && add_axis_order(state, kind, sources)) return;
  for (const Finding& finding : findings) state.findings.add(finding);
}

}  // namespace ringattn
