#include "reference/strategies/strategy.h"

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn {

namespace {

constexpr std::string_view all_names[] = {"ring",    "all-gather", "bidirectional", "double-ring",
                                          "ulysses", "usp",        "tree",          "auto"};

}  // namespace

std::string_view name(Strategy strategy) { return all_names[static_cast<std::size_t>(strategy)]; }

std::vector<std::string> strategy_names() { return {std::begin(all_names), std::end(all_names)}; }

Strategy parse_strategy(const std::string& name) {
  for (const Strategy strategy : all_strategies)
    if (ringattn::name(strategy) == name) return strategy;
  std::string list;
  for (const std::string_view each : all_names) list += (list.empty() ? "" : ", ") + std::string(each);
  throw BadInput("[strategy] must be one of " + list + "; found " + in_quotes(name) +
                 "; choose one of these");
}

int group_size(const StrategyOptions& options) {
  if (options.strategy == Strategy::ulysses) return options.ring.devices;
  return options.group > 0 ? options.group : 1;
}

int blocks_per_device(const StrategyOptions& options) {
  const int devices = options.ring.devices;
  switch (options.strategy) {
    case Strategy::bidirectional:
      return 2 * devices;  // half of the heads at a time
    case Strategy::usp:
    case Strategy::ulysses:
      return devices / group_size(options);
    case Strategy::tree:
      return 1;
    default:
      return devices;
  }
}

namespace {

bool has_given_groups(Strategy strategy) {
  return strategy == Strategy::double_ring || strategy == Strategy::usp;
}

// The rules for strategies that exchange heads
void check_heads(std::string_view strategy, Index heads, Index kv_heads, int group) {
  require(heads % group == 0, "[", strategy, "] the devices of a group share the query heads equally; found ",
          heads, " heads for ", group, " devices; choose a divisor of ", heads, " as the size of a group");
  require(kv_heads % group == 0 || group % kv_heads == 0, "[", strategy,
          "] the devices of a group share the K/V heads equally, or several share one; found ", kv_heads,
          " K/V heads for ", group, " devices; choose a divisor or a multiple of ", kv_heads);
}

}  // namespace

void check_strategy(const StrategyOptions& options, Index heads, Index kv_heads, bool backward) {
  const int devices = options.ring.devices, group = group_size(options);
  const std::string_view strategy = name(options.strategy);
  require(!has_given_groups(options.strategy) || options.group > 0, "[", strategy,
          "] the number of devices in a group must be given; found none; choose as group a divisor of ",
          devices);
  require(has_given_groups(options.strategy) || options.group == 0, "[", strategy,
          "] only double-ring and usp have groups of a given size; found group ", options.group,
          "; remove it");
  require(devices % group == 0, "[", strategy, "] groups must have equal numbers of devices; found ", devices,
          " devices in groups of ", group, "; choose a divisor of ", devices);
  if (options.strategy == Strategy::usp || options.strategy == Strategy::ulysses)
    check_heads(strategy, heads, kv_heads, group);
  require(options.strategy != Strategy::bidirectional || kv_heads >= 2,
          "[bidirectional] each direction carries half of the K/V heads, so two are needed; found ", kv_heads,
          "; choose the strategy ring");
  require(options.strategy != Strategy::tree || !backward,
          "[tree] decoding has no backward pass; found one; choose another strategy");
}

}  // namespace ringattn
