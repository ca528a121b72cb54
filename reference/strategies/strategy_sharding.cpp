#include "reference/strategies/strategy_sharding.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

namespace {

constexpr Strategy sharded_strategies[] = {Strategy::ring, Strategy::ulysses, Strategy::usp};

}  // namespace

std::vector<std::string> names_of_sharded_strategies() {
  std::vector<std::string> names;
  for (const Strategy strategy : sharded_strategies) names.emplace_back(name(strategy));
  return names;
}

StrategySharding::StrategySharding(const StrategyOptions& options, Index query_heads, Index kv_heads)
    : layout_(options.ring.layout), devices_(options.ring.devices), group_(group_size(options)) {
  require(std::find(std::begin(sharded_strategies), std::end(sharded_strategies), options.strategy) !=
              std::end(sharded_strategies),
          "[strategy] the devices of the other strategies have the rows of a ring; found ",
          name(options.strategy), "; choose ring, ulysses or usp");
  check_strategy(options, query_heads, kv_heads, true);
  heads_of_device_ = query_heads / group_;
}

std::vector<Index> StrategySharding::rows_of(int device, Index N) const {
  const std::vector<Index> of_group = rows_of_device(layout_, device / group_, ring_groups(), N);
  const RowRange part = chunk(device % group_, group_, static_cast<Index>(of_group.size()));
  return {of_group.begin() + part.begin, of_group.begin() + part.end};
}

std::string StrategySharding::note() const {
  if (group_ == 1) return "";
  const auto number = [](auto n) { return std::to_string(n); };
  const std::string group = number(group_), heads = number(heads_of_device_);
  const std::string of_member = heads_of_device_ == 1 ? "computes query head j of " + group
                                                      : "computes part j of " + group + " of the query heads";
  if (ring_groups() == 1)
    return "the devices exchange heads: device j has part j of " + group + " of the rows, and " + of_member +
           "; a device is named below by its rows";
  return "the ring has " + number(ring_groups()) + " groups of " + group +
         " devices, and each is called a device below; device j of a group has part j of " + group +
         " of its rows, and " + of_member;
}

}  // namespace ringattn
