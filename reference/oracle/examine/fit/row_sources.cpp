#include "reference/oracle/examine/fit/row_sources.h"

#include <algorithm>
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

bool same_head(const RowSource& s) { return s.place.b == s.from.b && s.place.h == s.from.h; }

// The heads and rows of a set of sources
std::vector<HeadRows> places(const Sources& sources) {
  std::map<std::pair<Index, Index>, std::set<Index>> rows;
  for (const RowSource& s : sources) rows[{s.place.b, s.place.h}].insert(s.place.row);
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
    if (!same_head(s) || map.try_emplace(s.place.row, s.from.row).first->second != s.from.row)
      return std::nullopt;
  return map;
}

// The known order that gives these sources
std::optional<PositionMap> known_order(const ExaminationState& state, const std::map<Index, Index>& map,
                                       RowsOf rows) {
  const bool of_keys = rows == RowsOf::keys;
  const Index S = of_keys ? state.attention.k.S : state.attention.q.S;
  std::vector<PositionMap> orders = position_maps(of_keys ? state.sharding.keys : state.sharding.queries, S);
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

std::optional<Finding> one_order(const ExaminationState& state, FindingKind kind, const Sources& sources,
                                 RowsOf rows) {
  const auto map = row_map(sources);
  if (!map || map->empty()) return std::nullopt;
  Finding finding{.kind = kind, .where = places(sources), .subject = "rows"};
  if (const auto order = known_order(state, *map, rows)) {
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
  return finding;
}

// ---- Head by head -----------------------------------------------------------------

Finding finding_of_head(FindingKind kind, const Sources& sources) {
  Finding finding{.kind = kind, .where = places(sources)};
  const RowSource& first = sources[0];
  const bool one_head =
      all(sources, [&](const RowSource& s) { return s.from.b == first.from.b && s.from.h == first.from.h; });
  const Index shift = first.from.row - first.place.row;
  if (one_head && all(sources, [&](const RowSource& s) { return s.from.row - s.place.row == shift; })) {
    finding.subject = "head";
    finding.numbers = {{"batch", static_cast<double>(first.from.b)},
                       {"head", static_cast<double>(first.from.h)},
                       {"shift", static_cast<double>(shift)}};
    return finding;
  }
  finding.subject = "list";
  for (const RowSource& s : sources)
    for (const Index each : {s.place.row, s.from.b, s.from.h, s.from.row})
      finding.indices["row_batch_head_row"].push_back(each);
  return finding;
}

// The order of axes that explains all sources
std::optional<AxisOrder> axis_order_of(const ExaminationState& state, const Sources& sources, RowsOf rows) {
  const ExaminedAttention& a = state.attention;
  const std::vector<AxisOrder> orders = rows == RowsOf::keys
                                            ? axis_orders(a.k.B, a.k.S, a.k.H, 1)
                                            : axis_orders(a.q.B, a.q.S, a.q.H, a.q.H / a.k.H);
  for (const AxisOrder& order : orders)
    if (all(sources, [&](const RowSource& s) { return order.source(s.place) == s.from; })) return order;
  return std::nullopt;
}

}  // namespace

std::function<RowPlace(const RowPlace&)> source_rule(const ExaminationState& state, const Sources& sources,
                                                     RowsOf rows) {
  if (const auto axes = axis_order_of(state, sources, rows))
    return [axes](const RowPlace& place) { return axes->source(place); };
  const auto map = row_map(sources);
  const auto order = map ? known_order(state, *map, rows) : std::nullopt;
  if (!order) return {};
  return [order](const RowPlace& place) {
    return RowPlace{place.b, place.h, order->position[static_cast<std::size_t>(place.row)]};
  };
}

std::vector<Finding> findings_of_sources(const ExaminationState& state, FindingKind kind,
                                         const Sources& sources, RowsOf rows) {
  if (sources.empty()) return {};
  if (auto finding = one_order(state, kind, sources, rows)) return {*finding};
  std::map<std::pair<Index, Index>, Sources> by_head;
  for (const RowSource& s : sources) by_head[{s.place.b, s.place.h}].push_back(s);
  std::vector<Finding> findings;
  for (const auto& [head, of_head] : by_head) findings.push_back(finding_of_head(kind, of_head));
  const bool listed = std::any_of(findings.begin(), findings.end(),
                                  [](const Finding& finding) { return finding.subject == "list"; });
  constexpr std::size_t few = 2;
  if (!listed && findings.size() <= few) return findings;
  if (const auto order = axis_order_of(state, sources, rows))
    return {{.kind = kind,
             .where = places(sources),
             .indices = {{"written", order->written}, {"read", order->read}},
             .subject = "axes"}};
  return findings;
}

void add_row_sources(ExaminationState& state, FindingKind kind, const Sources& sources) {
  for (const Finding& finding : findings_of_sources(state, kind, sources, RowsOf::queries))
    state.findings.add(finding);
}

}  // namespace ringattn
