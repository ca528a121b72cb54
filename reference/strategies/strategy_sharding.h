#pragma once

#include "reference/definition/layout.h"
#include "reference/strategies/strategy.h"

namespace ringattn {

// How the rows of a sequence are distributed outside of attention, and the ring inside. A group of u devices that
// exchanges heads has the rows of one device of a ring of P / u groups; the layout is that of this ring, and device j of
// the group has part j of u of its rows (USP, arXiv:2405.07719).
//
//   P = 4, u = 2, zigzag, 8 rows        rows of a device
//   group 0 has rows 0 1 6 7            device 0: 0 1   device 1: 6 7
//   group 1 has rows 2 3 4 5            device 2: 2 3   device 3: 4 5
class StrategySharding {
 public:
  StrategySharding() = default;  // one device

  // Throws BadInput unless the strategy is ring, ulysses or usp, and its groups divide the devices and the heads
  StrategySharding(const StrategyOptions& options, Index query_heads, Index kv_heads);

  int devices() const { return devices_; }

  // The rows of a device, out of N, ascending
  std::vector<Index> rows_of(int device, Index N) const;

  // The ring whose blocks a diagnosis names: that of the groups, or that of the devices if there is one group
  Layout ring_layout() const { return ring_groups() > 1 || group_ == 1 ? layout_ : Layout::contiguous; }
  int ring_devices() const { return ring_groups() > 1 ? ring_groups() : devices_; }

  // What the devices of a report stand for, in a sentence; empty for a ring
  std::string note() const;

 private:
  int ring_groups() const { return devices_ / group_; }

  Layout layout_ = Layout::contiguous;
  int devices_ = 1, group_ = 1;
  Index heads_of_device_ = 0;  // inside attention
};

// "ring", "ulysses", "usp": the strategies that a StrategySharding knows
std::vector<std::string> names_of_sharded_strategies();

}  // namespace ringattn
