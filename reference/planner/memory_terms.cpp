#include "reference/planner/memory_terms.h"

#include <algorithm>

#include "reference/planner/plan.h"

namespace ringattn::planner {

namespace {

// Tokens of which logits exist at one time, if the loss is computed in chunks
constexpr double loss_chunk = 1024;

// Rows of a device of the ring, over the batch
struct DeviceRows {
  double queries, keys;

  explicit DeviceRows(const PlanRequest& r)
      : queries(static_cast<double>(r.batch * largest_shard(r.ring_layout(), r.ring_devices(), r.queries()))),
        keys(static_cast<double>(r.batch * largest_shard(r.ring_layout(), r.ring_devices(), r.seq))) {}
};

// 16 bytes for each parameter in all, if weights and gradients have 2: Adam holds the weight and two moments in float32
void add_weights(const PlanRequest& r, std::vector<MemoryTerm>& terms) {
  const double shards = static_cast<double>(r.tensor_parallel) * r.weight_shards(),
               each = r.model.parameters() / shards;
  terms.push_back({"weights", r.weight_bytes * each, "parameters x bytes / (tp x fsdp)"});
  if (r.weight_shards() > 1)
    terms.push_back({"gathered weights",
                     2 * r.weight_bytes * r.model.parameters_per_layer() / r.tensor_parallel,
                     "two layers x bytes / tp"});
  if (!r.training) return;
  terms.push_back(
      {"gradients", static_cast<double>(r.bytes.input) * each, "parameters x bytes / (tp x fsdp)"});
  terms.push_back({"optimizer", 12 * each, "Adam: 12 x parameters / (tp x fsdp)"});
}

void add_activations(const PlanRequest& r, std::vector<MemoryTerm>& terms) {
  const DeviceRows rows(r);
  const double L = static_cast<double>(r.model.layers), e = static_cast<double>(r.bytes.input),
               T = r.tensor_parallel;
  const double token = static_cast<double>(r.model.width) * e,
               vocabulary = static_cast<double>(r.model.vocabulary) / T;
  if (r.training) {
    terms.push_back({"checkpoints", L * rows.queries * token, "layers x tokens x width x bytes"});
    const double tokens = r.chunked_loss ? std::min(loss_chunk, rows.queries) : rows.queries;
    terms.push_back(
        {"logits", tokens * vocabulary * 8, "tokens x vocabulary x (4 + 4) / tp, with their gradients"});
  } else {
    const AttentionShape shape = r.attention_work().shape;
    terms.push_back({"K/V cache",
                     L * rows.keys * static_cast<double>(shape.kv_heads * (shape.dim + shape.v_dim)) * e,
                     "layers x tokens x K/V heads x 2 x dim x bytes"});
    terms.push_back(
        {"logits", static_cast<double>(r.batch) * vocabulary * 4, "of the last token, in float32"});
  }
  // The feed-forward network is computed in blocks of tokens (arXiv:2305.19370), of which one exists at a time
  terms.push_back({"layer", 2 * rows.queries * token, "input and output of one layer"});
}

double attention_peak(const PlanRequest& r, const PlannedStrategy& strategy) {
  const LayerAttention layer = r.attention_work().layer();
  Index peak = PlannedPass(strategy, false, layer).peak_bytes();
  if (r.training) peak = std::max(peak, PlannedPass(strategy, true, layer).peak_bytes());
  return static_cast<double>(peak);
}

}  // namespace

double MemoryTerms::total() const {
  double sum = 0;
  for (const MemoryTerm& term : terms) sum += term.bytes;
  return sum;
}

MemoryTerms memory_terms(const PlanRequest& r, const PlannedStrategy& strategy) {
  MemoryTerms memory;
  memory.capacity = r.chip.memory_bytes;
  add_weights(r, memory.terms);
  add_activations(r, memory.terms);
  memory.terms.push_back({"attention", attention_peak(r, strategy), "the pass of one layer that holds most"});
  // For the driver, the communication library and fragmentation
  memory.terms.push_back({"reserve", std::max(3 * 0x1p30, 0.05 * memory.capacity), "max(3 GiB, 5 %)"});
  return memory;
}

Index longest_context(const PlanRequest& request, const PlannedStrategy& strategy) {
  const auto fits = [&](Index seq) {
    PlanRequest r = request;
    r.seq = seq;
    if (r.new_tokens) r.new_tokens = std::min(*r.new_tokens, seq);
    return memory_terms(r, strategy).fits();
  };
  // Memory grows with the length: bisect between a length that fits and one that does not
  Index fitting = 0, beyond = 1;
  const Index limit = longest_planned_seq(request);
  while (beyond <= limit && fits(beyond)) fitting = beyond, beyond *= 2;
  if (beyond > limit) return fitting;
  while (beyond - fitting > 1) {
    const Index middle = fitting + (beyond - fitting) / 2;
    (fits(middle) ? fitting : beyond) = middle;
  }
  return fitting;
}

}  // namespace ringattn::planner
