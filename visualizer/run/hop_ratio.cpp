#include "visualizer/run/hop_ratio.h"

#include <cmath>

#include "reference/definition/row_positions.h"

namespace ringattn::viz {

namespace {

// Size of a travelling block in bits, and compute time of a pair of blocks in nanoseconds
struct Block {
  double bits, compute_ns;
};

Block block_of(const RunConfig& config) {
  const double rows = static_cast<double>(config.queries) / config.devices;
  const double keys = static_cast<double>(config.keys) / config.devices;
  const bool kv = config.rotate == Rotation::kv;
  const double elements =
      static_cast<double>(kv ? config.kv_heads * (config.dim + config.v_dim) : config.heads * config.dim);
  // A block carries the positions of its rows
  const double row_bytes =
      elements * (config.dtype == "f64" ? 8 : 4) + static_cast<double>(sizeof(RowPosition));
  return {8 * row_bytes * (kv ? keys : rows),
          rows * keys * static_cast<double>(config.heads) * config.cost.ns_per_pair};
}

}  // namespace

double hop_ratio(const RunConfig& config) {
  if (!(config.cost.link_gbps > 0)) return 0;
  const Block block = block_of(config);
  return std::round(block.bits / config.cost.link_gbps / block.compute_ns * 1e6) / 1e6;
}

void set_hop_ratio(RunConfig& config, double hop) {
  const Block block = block_of(config);
  config.cost.link_gbps = hop > 0 ? block.bits / (hop * block.compute_ns) : 0;
}

void use_machine(RunConfig& config) {
  const RingStep& machine = config.machine;
  if (!machine.known()) return;
  const double pairs =
      static_cast<double>(config.queries * config.keys * config.heads) / (config.devices * config.devices);
  config.cost.ns_per_pair = machine.compute_ns() / pairs;
  set_hop_ratio(config, machine.transfer_ns() / machine.compute_ns());
}

}  // namespace ringattn::viz
