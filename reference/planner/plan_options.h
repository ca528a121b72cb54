#pragma once

#include "reference/planner/plan_request.h"

namespace ringattn::planner {

// A request as users write it, on the command line and in Python: presets by name, and figures that override them.
struct PlanOptions {
  std::string model = "llama3-8b";
  std::optional<Index> layers, width, ffn, ffn_matrices, heads, kv_heads, dim, vocabulary, positions;

  std::string seq = "128K", new_tokens;  // token counts; empty: not given
  Index batch = 1;
  bool causal = false, training = false, chunked_loss = false;
  std::string dtype = "bf16";
  std::optional<double> weight_bytes;  // default: those of the storage type

  Index nodes = 1, devices_per_node = 8, tensor_parallel = 1;
  std::optional<Index> fsdp;
  std::string chip = "h100", link = "ib400", node_link;  // node_link: empty: that of the chip
  std::optional<double> chip_tflops, chip_memory_gib, chip_watts, link_latency_us, node_link_latency_us;

  std::string strategy = "all", layout;  // layout: empty: chosen by the mask
  std::optional<Index> ulysses;
  bool overlap = true;

  double chip_efficiency = 0.63, link_efficiency = 0.52, waiting_share = 0.5, pue = 1.2;

  // Throws BadInput if a name or number is wrong, or if they contradict one another
  PlanRequest request() const;
};

// "8192", "128K" (of 1024) or "1M" (of 1024^2) tokens. Throws BadInput unless it is at least 1
Index parse_token_count(const std::string& text);

}  // namespace ringattn::planner
