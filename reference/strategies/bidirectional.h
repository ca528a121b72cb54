#pragma once

#include <array>

#include "reference/comm/transport.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/ring_options.h"
#include "reference/ring/schedule.h"
#include "reference/strategies/head_range.h"

namespace ringattn {

// The mirror image of ring_schedule: blocks travel from each device to the previous one, on channels of their own. At
// step t device r holds the block of device (r + t) mod P.
inline Schedule reverse_ring_schedule(int device, int devices) {
  Schedule ring = renumbered(ring_schedule(devices - 1 - device, devices),
                             [devices](int mirrored) { return devices - 1 - mirrored; });
  ring.blocks = Channel::reverse_blocks, ring.results = Channel::reverse_results;
  return ring;
}

// The heads of the ring in each direction: half of the K/V heads, and their query heads
std::array<HeadRange, 2> heads_of_directions(Index query_heads, Index kv_heads);

// Two rings over the same devices at the same time, one in each direction, each with half of the K/V heads and their
// query heads. Both directions of a link carry blocks, so each carries half as many bytes as in one ring. It helps only
// where the two directions are separate links. Requires two K/V heads.
template <class T>
AttentionOutput<T> bidirectional_attention(const Problem<T>& problem, const RingOptions& options,
                                           Transport<T>& transport);
template <class T>
Gradients<T> bidirectional_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                         const Cotangents<T>& cotangents, const RingOptions& options,
                                         Transport<T>& transport);

}  // namespace ringattn
