#pragma once

#include "reference/comm/transport.h"
#include "reference/definition/attention.h"
#include "reference/ring/ring_options.h"
#include "reference/ring/schedule.h"

namespace ringattn {

// Tree Attention (arXiv:2408.04093) for decoding: all devices have all queries, of which there are few, and
// each attends to its own keys. The partial states (m, l, O) are then merged along a hypercube: in round k device r
// exchanges its state with device r XOR 2^k. Instead of P - 1 hops of K and V, log2 P states travel.
//
//   P = 6        fold       round 0    round 1    unfold
//   device 0     <- 4       <-> 1      <-> 2      -> 4
//   device 1     <- 5       <-> 0      <-> 3      -> 5
//   device 2                <-> 3      <-> 0
//   device 3                <-> 2      <-> 1
//   device 4     -> 0                             <- 0
//   device 5     -> 1                             <- 1
//
// Devices beyond the largest power of two hand their state to another device first, and get the total at the end.
// SoftmaxState::merge is commutative bit for bit, so both partners of an exchange have the same state, and in the end
// all devices have.
Schedule tree_schedule(int device, int devices);

// The result on each local device: all rows. Forward only, since the queries of a decoding step need no gradients
template <class T>
std::vector<AttentionOutput<T>> tree_attention(const Problem<T>& problem, const RingOptions& options,
                                               Transport<T>& transport);

}  // namespace ringattn
