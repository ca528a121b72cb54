#include "visualizer/model/distribution.h"

#include <algorithm>
#include <numeric>

#include "reference/definition/input/bad_input.h"
#include "reference/strategies/double_ring.h"
#include "reference/strategies/tree_decode.h"
#include "reference/strategies/usp_groups.h"

namespace ringattn::viz {

namespace {

int steps_of(const StrategyOptions& options) {
  const int devices = options.ring.devices;
  switch (options.strategy) {
    case Strategy::double_ring:
      return static_cast<int>(double_ring_schedule(group_size(options))(0, devices).steps.size());
    case Strategy::tree:
      return static_cast<int>(tree_schedule(0, devices).steps.size());
    case Strategy::ulysses:
    case Strategy::usp:
      return devices / group_size(options);
    default:
      return devices;
  }
}

void require_possible(const StrategyOptions& options, const TraceHeader& header) {
  require(options.strategy != Strategy::automatic,
          "[trace] a trace must name the strategy that ran; found auto, which chooses one; give the strategy "
          "ring, and the tensors that rotate");
  if (options.strategy == Strategy::ring) return;
  const bool backward =
      std::find(header.passes.begin(), header.passes.end(), "backward") != header.passes.end();
  try {
    check_strategy(options, header.heads, header.kv_heads, backward);
  } catch (const BadInput& error) {
    throw BadInput("[trace] " + std::string(error.what()));
  }
}

}  // namespace

Distribution::Distribution(const TraceHeader& header) : heads_(header.heads), kv_heads_(header.kv_heads) {
  options_.strategy = parse_strategy(header.strategy);
  options_.ring.devices = header.devices;
  options_.group = header.group;
  require_possible(options_, header);
  steps_ = steps_of(options_);
  const int devices = header.devices, group = exchanges_heads() ? this->group() : 1;
  grid_ = {devices, group, group, group};
  if (strategy() == Strategy::tree) grid_.query_group = devices;
  if (strategy() == Strategy::bidirectional) grid_.ranges = 2;
}

int Distribution::merges(int device) const {
  if (strategy() != Strategy::tree) return 0;
  std::size_t count = 0;
  for (const Step& step : tree_schedule(device, grid_.devices).steps) count += step.results_from.size();
  return static_cast<int>(count);
}

std::vector<int> Distribution::owners(int device, int group) const {
  std::vector<int> all(static_cast<std::size_t>(group));
  std::iota(all.begin(), all.end(), device / group * group);
  return all;
}

HeadRange Distribution::heads(int range) const {
  if (exchanges_heads()) return heads_in_group(heads_, kv_heads_, group(), range);
  if (grid_.ranges == 1) return {0, heads_, 0, kv_heads_};
  const Index half = (kv_heads_ + 1) / 2, per_kv_head = heads_ / kv_heads_;
  const Index first = range * half, count = range == 0 ? half : kv_heads_ - half;
  return {first * per_kv_head, count * per_kv_head, first, count};
}

// The ring whose direction brings the block to the device at _step_. If both do, the device serves the first ring
// before the second
int Distribution::direction(const Event& event, int step, const Event* before) const {
  const int devices = grid_.devices, device = event.id.device;
  const bool forward = event.owner == resident_owner(device, step, devices),
             reverse = event.owner == (device + step) % devices;
  if (forward != reverse) return forward ? 0 : 1;
  return before && before->step == event.step && before->owner == event.owner ? 1 : 0;
}

int Distribution::range_of(const Event& compute, const Event* before) const {
  if (strategy() != Strategy::bidirectional) return range_of(compute.id.device);
  return direction(compute, compute.step, before);
}

int Distribution::range_of_block(const Event& recv, const Event* before) const {
  if (strategy() != Strategy::bidirectional) return 0;
  return direction(recv, recv.step + 1, before);
}

}  // namespace ringattn::viz
