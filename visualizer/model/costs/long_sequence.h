#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reference/trace/trace_header.h"

namespace ringattn::viz {

// A sequence that is too long to run here: one layer of attention with 32 heads of 128, in float32, on devices of
// 80 GiB.
struct LongSequence {
  static constexpr std::int64_t heads = 32, head_dim = 128;
  static constexpr std::int64_t most_tokens = std::int64_t{1} << 36;
  static constexpr double device_bytes = 80.0 * (1 << 30);

  std::int64_t tokens = 0;
  int devices = 1;

  bool known() const { return tokens > 0; }
};

// The memory of one device, buffer by buffer, for one way to compute attention.
struct MemoryNeed {
  std::string name;
  std::vector<std::pair<std::string_view, double>> buffers;  // names and bytes

  double bytes() const;
};

enum class MemoryWay {
  all_scores,  // one device that holds the whole score matrix of a head
  tiles,       // one device that computes tile by tile, as FlashAttention does
  ring
};
constexpr MemoryWay memory_ways[] = {MemoryWay::all_scores, MemoryWay::tiles, MemoryWay::ring};

// The bytes that the engine allocates on a device for this sequence
MemoryNeed memory_need(MemoryWay way, const LongSequence& sequence);

// The longest sequence for which a device has room, in tokens
std::int64_t most_tokens(MemoryWay way, int devices);

// The bytes that the engine allocates on the device with the largest shards in a forward pass of this run in which K
// and V rotate
double allocated_bytes(const TraceHeader& header);

}  // namespace ringattn::viz
