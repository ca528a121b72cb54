#include "reference/planner/strategy/pass_bytes.h"

#include <algorithm>
#include <cmath>

namespace ringattn::planner {

namespace {

// The part of the hops of a ring that leads from node to node
double network_share_of_ring(const Group& g) {
  return g.nodes > 1 ? static_cast<double>(g.nodes) / g.devices() : 0;
}

// Sets what all devices send, if each sends _bytes_ and _network_share_ of it leaves the node
void set_sent(PassCost& cost, const Group& group, double bytes, double network_share) {
  cost.bytes_sent = bytes;
  cost.network_bytes = group.devices() * bytes * network_share;
  cost.node_bytes = group.devices() * bytes * (1 - network_share);
}

void add_ring(const RingPass& pass, const Group& group, PassCost& cost) {
  set_sent(cost, group, pass.total_bytes_sent() / group.devices(), network_share_of_ring(group));
  cost.bytes_sent = pass.most_bytes_sent();
  cost.peak_bytes = pass.most_peak_bytes();
}

// A ring of groups of _degree_ devices between two all-to-all exchanges; with one group it is Ulysses
void add_resharded(bool backward, const AttentionWork& work, int degree, PassCost& cost) {
  const Group& group = work.machine.group;
  const int rings = group.devices() / degree;
  const AttentionShape shape = resharded(work.shape, degree);
  const RingPass pass(ring_pass_kind(Strategy::usp, backward), shape, work.bytes, work.layout, rings);

  // The exchange stays inside a node unless the group is larger than a node
  const double exchanged = all_to_all_bytes(work, degree), ring = rings > 1 ? pass.most_bytes_sent() : 0,
               peers = degree - 1, in_node = std::min(degree, group.per_node) - 1,
               network = exchanged * (peers > 0 ? 1 - in_node / peers : 0) +
                         ring * network_share_of_ring(group) * degree;
  set_sent(cost, group, exchanged + ring, network / (exchanged + ring));

  // The own shards, and the pass on the exchanged ones
  const RowBytes row(work.shape, work.bytes);
  cost.peak_bytes = pass.most_peak_bytes() +
                    rows_of_largest_shard(work.layout, group.devices(), work.shape.queries) *
                        (row.q + (backward ? row.out_gradient : 0)) +
                    rows_of_largest_shard(work.layout, group.devices(), work.shape.keys) * (row.k + row.v);
}

// n rounds; in each the K, V blocks of a node turn w - 1 times, then go to the next node. dK, dV turn w times in each
// round to come back to the device where their block entered the node, and then follow it
void add_double_ring(const RingPass& pass, const Group& g, PassCost& cost) {
  const double n = g.nodes, w = g.per_node, block = pass.mean_block_bytes(),
               result = pass.mean_result_bytes(), inner = n * (w - 1) * block + n * w * result,
               outer = (n - 1) * block + n * result;
  set_sent(cost, g, inner + outer, outer / (inner + outer));
  cost.peak_bytes = pass.peak_with_buffers(3, 3);
}

// Each device gathers all blocks, and in the backward pass scatters and sums all gradients, around a ring
void add_all_gather(const RingPass& pass, const Group& g, PassCost& cost) {
  const double P = g.devices();
  set_sent(cost, g, (P - 1) * (pass.mean_block_bytes() + pass.mean_result_bytes()), network_share_of_ring(g));
  cost.peak_bytes = pass.peak_with_buffers(g.devices(), g.devices());
}

// Q goes one way around the ring; the partial result (O in the type of states, lse) goes straight to its owner
void add_token_ring(const AttentionWork& work, PassCost& cost) {
  const Group& g = work.machine.group;
  const RowBytes row(work.shape, work.bytes);
  const double P = g.devices(), queries = static_cast<double>(work.shape.queries) / P,
               keys = static_cast<double>(work.shape.keys) / P, state = row.o + 2 * row.statistic;
  set_sent(cost, g, (P - 1) * queries * (row.q + row.o + row.statistic), network_share_of_ring(g));
  cost.peak_bytes = keys * (row.k + row.v) + queries * (2 * row.q + 3 * state);
}

// log2 P rounds, in each of which m, l, O of all queries go to a partner
void add_tree(const AttentionWork& work, PassCost& cost) {
  const Group& g = work.machine.group;
  const RowBytes row(work.shape, work.bytes);
  const auto queries = static_cast<double>(work.shape.queries);
  const double state = queries * (row.o + 2 * row.statistic), rounds = std::ceil(std::log2(g.devices())),
               in_node = std::ceil(std::log2(g.per_node));
  set_sent(cost, g, rounds * state, rounds > 0 ? 1 - in_node / rounds : 0);
  cost.peak_bytes = queries * row.q + 2 * state +
                    rows_of_largest_shard(work.layout, g.devices(), work.shape.keys) * (row.k + row.v);
}

}  // namespace

RingPassKind ring_pass_kind(Strategy strategy, bool backward) {
  if (!backward) return strategy == Strategy::ring_q ? RingPassKind::forward_q : RingPassKind::forward_kv;
  const bool q = strategy == Strategy::ring_q || strategy == Strategy::burst;
  return q ? RingPassKind::backward_q : RingPassKind::backward_kv;
}

AttentionShape resharded(const AttentionShape& shape, int degree) {
  AttentionShape part = shape;
  part.heads = shape.heads / degree, part.kv_heads = replicated_kv_heads(shape, degree) / degree;
  return part;
}

double all_to_all_bytes(const AttentionWork& work, int degree) {
  const RowBytes row(work.shape, work.bytes);
  const double P = work.machine.group.devices(), queries = static_cast<double>(work.shape.queries) / P,
               keys = static_cast<double>(work.shape.keys) / P,
               replicas = static_cast<double>(replicated_kv_heads(work.shape, degree)) /
                          static_cast<double>(work.shape.kv_heads);
  const double all = queries * (row.q + row.out_gradient) + keys * replicas * (row.k + row.v);
  return all * (degree - 1) / degree;
}

void add_bytes(Strategy strategy, bool backward, const AttentionWork& work, PassCost& cost) {
  const Group& group = work.machine.group;
  const RingPass pass(ring_pass_kind(strategy, backward), work.shape, work.bytes, work.layout,
                      group.devices());
  switch (strategy) {
    case Strategy::ring:
    case Strategy::ring_q:
    case Strategy::burst:
    case Strategy::bidirectional:
      return add_ring(pass, group, cost);
    case Strategy::all_gather:
      return add_all_gather(pass, group, cost);
    case Strategy::ulysses:
      return add_resharded(backward, work, group.devices(), cost);
    case Strategy::usp:
      return add_resharded(backward, work, group.ulysses, cost);
    case Strategy::double_ring:
      return add_double_ring(pass, group, cost);
    case Strategy::token_ring:
      return add_token_ring(work, cost);
    case Strategy::tree:
      return add_tree(work, cost);
  }
}

}  // namespace ringattn::planner
