#include "reference/planner/plan_options.h"

#include <charconv>

#include "reference/definition/dtype.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"

namespace ringattn::planner {

namespace {

// value = given, if it is given; a number that must be positive
void override_with(const char* what, const std::optional<double>& given, double unit, double& value) {
  if (!given) return;
  require(*given > 0 && *given <= 1e12, "[plan] ", what, " must be above 0 and at most 10^12; found ", *given,
          "; correct it");
  value = unit * *given;
}

void override_latency(const std::optional<double>& microseconds, LinkType& link) {
  if (!microseconds) return;
  require(*microseconds >= 0 && *microseconds <= 1e9,
          "[plan] the latency of a link is from 0 to 10^9 microseconds; found ", *microseconds,
          "; correct it");
  link.latency_seconds = 1e-6 * *microseconds;
}

Model model_of(const PlanOptions& o) {
  Model model = model_named(o.model);
  const std::pair<const std::optional<Index>&, Index&> extents[] = {
      {o.layers, model.layers},
      {o.width, model.width},
      {o.ffn, model.ffn},
      {o.ffn_matrices, model.ffn_matrices},
      {o.heads, model.heads},
      {o.kv_heads, model.kv_heads},
      {o.dim, model.dim},
      {o.vocabulary, model.vocabulary},
      {o.positions, model.positions},
  };
  bool changed = false;
  for (const auto& [given, extent] : extents) {
    if (!given) continue;
    require(0 <= *given && *given <= Index{1} << 24,
            "[plan] the extents of a model are from 0 to 2^24; found ", *given, "; correct it");
    extent = *given, changed = true;
  }
  if (changed) model.name += " (changed)";
  return model;
}

int count_of(const char* what, Index count) {
  constexpr Index most = 1 << 24;
  require(1 <= count && count <= most, "[plan] ", what, " must be from 1 to ", most, "; found ", count,
          "; correct it");
  return static_cast<int>(count);
}

void set_devices(const PlanOptions& o, PlanRequest& r) {
  r.nodes = count_of("nodes", o.nodes),
  r.devices_per_node = count_of("the devices of a node", o.devices_per_node);
  r.tensor_parallel = count_of("tensor parallelism", o.tensor_parallel);
  if (o.fsdp) r.fsdp = count_of("fsdp", *o.fsdp);
  if (o.ulysses) r.ulysses = count_of("the Ulysses degree", *o.ulysses);
}

Chip chip_of(const PlanOptions& o) {
  Chip chip = chip_named(o.chip);
  override_with("the TFLOP/s of the chip", o.chip_tflops, 1e12, chip.peak_flops);
  override_with("the memory of the chip in GiB", o.chip_memory_gib, 0x1p30, chip.memory_bytes);
  if (o.chip_watts) override_with("the power of the chip in W", o.chip_watts, 1, chip.watts.emplace());
  return chip;
}

}  // namespace

PlanRequest PlanOptions::request() const {
  PlanRequest r;
  r.model = model_of(*this);
  r.seq = parse_token_count(seq), r.batch = batch;
  if (!new_tokens.empty()) r.new_tokens = parse_token_count(new_tokens);
  r.causal = causal, r.training = training, r.chunked_loss = chunked_loss;

  r.bytes.input = bytes_per_element(parse_dtype(dtype));
  r.weight_bytes = static_cast<double>(r.bytes.input);
  override_with("the bytes of a weight", weight_bytes, 1, r.weight_bytes);

  set_devices(*this, r);
  r.chip = chip_of(*this);
  r.node_link = link_named(node_link.empty() ? r.chip.node_link : node_link), r.network = link_named(link);
  override_latency(node_link_latency_us, r.node_link), override_latency(link_latency_us, r.network);

  if (strategy != "all") r.strategies = {parse_planned_strategy(strategy)};
  if (!layout.empty()) r.layout = parse_layout(layout);
  r.overlap = overlap;
  r.chip_efficiency = chip_efficiency, r.link_efficiency = link_efficiency;
  r.waiting_share = waiting_share, r.pue = pue;
  check(r);
  return r;
}

Index parse_token_count(const std::string& text) {
  Index count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string unit(end, text.data() + text.size());
  constexpr Index most = Index{1} << 40;
  const Index scale = unit.empty() ? 1 : unit == "K" ? 1024 : unit == "M" ? 1024 * 1024 : 0;
  require(
      error == std::errc() && scale > 0 && 1 <= count && count <= most / scale,
      "[plan] a number of tokens is a whole number from 1 to 2^40, with K for 1024 or M for 1024^2; found ",
      in_quotes(text), "; write for example 131072, 128K or 1M");
  return count * scale;
}

}  // namespace ringattn::planner
