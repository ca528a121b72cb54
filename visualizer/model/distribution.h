#pragma once

#include <string_view>
#include <vector>

#include "reference/strategies/head_range.h"
#include "reference/strategies/strategy.h"
#include "reference/trace/trace_header.h"

namespace ringattn::viz {

// The tiles of a pass: pairs of a block of queries and a block of keys, for each range of heads. A block has the rows
// of one device, of the devices of a group, or of all devices.
struct TileGrid {
  int devices = 1;
  int query_group = 1, key_group = 1;  // devices whose rows are in one block
  int ranges = 1;                      // of heads, each computed apart

  std::size_t size() const {
    return static_cast<std::size_t>(ranges) * blocks(query_group) * blocks(key_group);
  }
  std::size_t index(int q_owner, int kv_owner, int range) const {
    const std::size_t q = static_cast<std::size_t>(q_owner / query_group),
                      kv = static_cast<std::size_t>(kv_owner / key_group);
    return (static_cast<std::size_t>(range) * blocks(query_group) + q) * blocks(key_group) + kv;
  }

 private:
  std::size_t blocks(int group) const { return static_cast<std::size_t>(devices / group); }
};

// How the strategy of a run distributes its rows, heads and messages over the devices, from the header of its trace.
class Distribution {
 public:
  // Throws BadInput if the strategy cannot compute a problem of this shape
  explicit Distribution(const TraceHeader& header);

  Strategy strategy() const { return options_.strategy; }
  bool is_ring() const { return strategy() == Strategy::ring; }
  bool exchanges_heads() const { return strategy() == Strategy::ulysses || strategy() == Strategy::usp; }
  int group() const { return group_size(options_); }          // devices in a node or group; 1: there are none
  int steps() const { return steps_; }                        // of a pass
  int blocks() const { return blocks_per_device(options_); }  // to which a device attends in a pass
  int merges(int device) const;                               // of states that a device receives, in a tree

  // Whether a message brings heads of the own rows to another device of the group, or results back
  bool exchanges_heads(const Event& message) const { return exchanges_heads() && message.step < 0; }

  const TileGrid& grid() const { return grid_; }
  // The devices that own the rows of the block of queries, or keys, of a device
  std::vector<int> query_owners(int device) const { return owners(device, grid_.query_group); }
  std::vector<int> key_owners(int device) const { return owners(device, grid_.key_group); }

  // The heads of a range
  HeadRange heads(int range) const;
  // The range that a device computes; the first one if it computes all of them
  int range_of(int device) const { return exchanges_heads() ? device % group() : 0; }
  // That of a computation; _before_: the one before it in the same pass, if any
  int range_of(const Event& compute, const Event* before) const;
  // That of a block on its way, in a bidirectional ring; _before_: the block that the device received before it
  int range_of_block(const Event& recv, const Event* before) const;

 private:
  std::vector<int> owners(int device, int group) const;
  int direction(const Event& event, int step, const Event* before) const;

  StrategyOptions options_;
  std::int64_t heads_, kv_heads_;
  int steps_ = 1;
  TileGrid grid_;
};

}  // namespace ringattn::viz
