#include "reference/planner/plan_request.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/device_count.h"

namespace ringattn::planner {

bool PlanRequest::can_divide_heads(int parts) const { return splits_heads(whole_attention(), parts); }

AttentionWork PlanRequest::attention_work() const {
  AttentionWork work;
  work.shape = whole_attention();
  work.shape.heads /= tensor_parallel;
  work.shape.kv_heads = replicated_kv_heads(work.shape, tensor_parallel) / tensor_parallel;
  work.bytes = bytes, work.layout = ring_layout(), work.backward = training, work.overlap = overlap;

  Machine& machine = work.machine;
  const int per_node = devices_per_node / tensor_parallel;
  machine.group = {nodes, per_node, ulysses.value_or(best_ulysses_degree(work.shape, per_node))};
  machine.flops = chip_efficiency * chip.peak_flops;
  machine.node_link = node_link, machine.network = network;
  machine.node_link.rate = node_link.rate.times(link_efficiency);
  machine.network.rate = network.rate.times(link_efficiency);
  return work;
}

Index longest_planned_seq(const PlanRequest& r) {
  // 2^40 tokens, and 2^52 elements of Q, so that the bytes of all buffers are below 2^63
  const double token = static_cast<double>(r.model.heads) * static_cast<double>(r.model.dim),
               tokens = std::min(0x1p40, 0x1p52 / token);
  return static_cast<Index>(tokens) / r.batch;
}

namespace {

// The engine counts bytes, and pairs of query and key, in 64 bits
void check_counts(const PlanRequest& r) {
  constexpr Index longest = Index{1} << 40;
  require(1 <= r.seq && r.seq <= longest && 1 <= r.batch && r.batch <= longest / r.seq,
          "[plan] batch and seq are counts from 1, and their product is at most 2^40; found ", r.batch,
          " and ", r.seq, "; choose smaller ones");
  const double tokens = static_cast<double>(r.batch) * static_cast<double>(r.seq),
               pairs = tokens * static_cast<double>(r.seq) * static_cast<double>(r.model.heads);
  require(r.seq <= longest_planned_seq(r) && pairs <= 0x1p62,
          "[plan] a layer has at most 2^52 elements of Q, and at most 2^62 pairs of query and key over all "
          "heads; found ",
          tokens * static_cast<double>(r.model.heads) * static_cast<double>(r.model.dim), " and ", pairs,
          "; choose a shorter sequence");
}

void check_devices(const PlanRequest& r) {
  require(r.devices_per_node >= 1 && r.nodes >= 1 && r.tensor_parallel >= 1,
          "[plan] nodes, devices of a node and tensor parallelism are counts from 1; found ", r.nodes, ", ",
          r.devices_per_node, " and ", r.tensor_parallel, "; correct them");
  require(r.devices_per_node % r.tensor_parallel == 0,
          "[plan] tensor parallelism must divide the devices of a node; found ", r.tensor_parallel, " of ",
          r.devices_per_node, "; choose a divisor");
  require(r.model.heads % r.tensor_parallel == 0, "[plan] tensor parallelism must divide the heads; found ",
          r.tensor_parallel, " and ", r.model.heads, " heads; choose a divisor");
  require(r.can_divide_heads(r.tensor_parallel),
          "[plan] tensor parallelism must divide the K/V heads or be a multiple of them; found ",
          r.tensor_parallel, " and ", r.model.kv_heads, " K/V heads; choose another number");
  const std::int64_t devices = std::int64_t{r.devices_per_node} * r.nodes;
  require(devices <= 1 << 20, "[plan] all nodes have at most 2^20 devices together; found ", devices,
          "; plan one replica of the model");
  require_device_count("plan", devices / r.tensor_parallel);
  require(!r.ulysses || (*r.ulysses >= 1 && r.devices_per_node / r.tensor_parallel % *r.ulysses == 0),
          "[plan] the Ulysses degree of USP must divide the ring devices of a node; found ",
          r.ulysses.value_or(0), " and ", r.devices_per_node / r.tensor_parallel, "; choose a divisor");
  require(r.weight_shards() >= 1, "[plan] weights are sharded over 1 device or more; found ",
          r.weight_shards(), "; choose another number");
}

}  // namespace

void check(const PlanRequest& r) {
  check(r.model);
  check_devices(r);
  check_counts(r);
  require(1 <= r.queries() && r.queries() <= r.seq,
          "[plan] the new tokens are a part of the sequence; found ", r.queries(), " of ", r.seq,
          "; choose from 1 to ", r.seq);
  require(!r.training || !r.new_tokens,
          "[plan] training has no cached tokens; found new tokens; leave them out");
  for (const double share : {r.chip_efficiency, r.link_efficiency})
    require(0 < share && share <= 1, "[plan] an efficiency is above 0 and at most 1; found ", share,
            "; give the part of the peak that is reached");
  require(0 <= r.waiting_share && r.waiting_share <= 1,
          "[plan] a waiting chip takes a share from 0 to 1 of the power of a busy one; found ",
          r.waiting_share, "; correct it");
  require(r.pue >= 1 && r.pue <= 10, "[plan] the power usage effectiveness is from 1 to 10; found ", r.pue,
          "; correct it");
  require(r.weight_bytes <= 8, "[plan] a weight has at most 8 bytes; found ", r.weight_bytes, "; correct it");
  require(!r.strategies.empty(), "[plan] at least one strategy is planned; found none; name one");
}

}  // namespace ringattn::planner
