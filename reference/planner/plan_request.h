#pragma once

#include <optional>
#include <vector>

#include "reference/planner/model/model.h"
#include "reference/planner/strategy/strategy_cost.h"

namespace ringattn::planner {

// The subject of a plan: a model, a sequence, and the devices of one model replica.
struct PlanRequest {
  Model model;
  Index seq = 8192, batch = 1;
  std::optional<Index> new_tokens;  // behind seq - new_tokens cached ones; empty: all are new
  bool causal = false, training = false;

  int devices_per_node = 8, nodes = 1;
  int tensor_parallel = 1;  // devices of a node that share each layer; the others form the ring
  std::optional<int>
      fsdp;  // devices over which the weights are sharded; default: the ring in training, else 1
  Chip chip;
  LinkType node_link, network;

  std::vector<PlannedStrategy> strategies = {planned_strategies.begin(), planned_strategies.end()};
  std::optional<Layout> layout;  // default: zigzag with a causal mask, else contiguous
  std::optional<int> ulysses;    // the degree in USP; default: best_ulysses_degree()
  bool overlap = true;

  ElementBytes bytes;
  double weight_bytes = 2;    // of a parameter while it computes
  bool chunked_loss = false;  // logits of at most 1024 tokens exist at one time

  // The parts of the peak rates that are reached, both measured on Llama 3 405B with H100 (arXiv:2411.01783, section 4
  // and table 5)
  double chip_efficiency = 0.63, link_efficiency = 0.52;

  // Assumptions, in proportion to a busy chip and to the energy of the computers
  double waiting_share = 0.5, pue = 1.2;

  int devices() const { return devices_per_node * nodes; }
  int ring_devices() const { return devices() / tensor_parallel; }
  int weight_shards() const { return fsdp.value_or(training ? ring_devices() : 1); }
  // Whether _parts_ devices can share the heads of a layer, with copies of K/V heads if there are too few
  bool can_divide_heads(int parts) const;

  Index queries() const { return new_tokens.value_or(seq); }
  double tokens() const { return static_cast<double>(batch) * static_cast<double>(queries()); }
  Layout ring_layout() const { return layout.value_or(causal ? Layout::zigzag : Layout::contiguous); }

  AttentionShape whole_attention() const { return model.attention(batch, queries(), seq, causal); }

  // The attention of one layer on one ring: with tensor parallelism each ring has a part of the heads
  AttentionWork attention_work() const;
};

// The longest sequence of this request whose bytes can be counted
Index longest_planned_seq(const PlanRequest& request);

// Throws BadInput if the request contradicts itself
void check(const PlanRequest& request);

}  // namespace ringattn::planner
