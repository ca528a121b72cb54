#include "reference/planner/strategy/planned_pass.h"

#include "reference/planner/strategy/counted_exchange.h"
#include "reference/strategies/bidirectional.h"
#include "reference/strategies/distributed_attention.h"
#include "reference/strategies/tree_decode.h"
#include "reference/strategies/usp_loop.h"

namespace ringattn::planner {

namespace {

std::vector<Index> rows_of_shards(const RingConfig& config, Index N) {
  std::vector<Index> rows;
  for (int device = 0; device < config.devices; ++device)
    rows.push_back(shard_rows(config.layout, device, config.devices, N));
  return rows;
}

// All heads and the own rows of each device, in a ring
CountedPass own_rows(bool backward, Rotation rotate, const LayerAttention& layer) {
  const AttentionShape& s = layer.shape;
  CountedPass pass{.backward = backward, .rotate = rotate, .bytes = layer.bytes, .schedules = ring_schedule};
  pass.config = ring_config({s.batch, s.queries, s.heads, s.dim}, {s.batch, s.keys, s.kv_heads, s.dim},
                            {s.batch, s.keys, s.kv_heads, s.v_dim}, layer.layout, layer.group.devices(), {});
  pass.config.q_position_bytes = pass.config.kv_position_bytes = layer.position_bytes;
  pass.query_rows = rows_of_shards(pass.config, s.queries);
  pass.key_rows = rows_of_shards(pass.config, s.keys);
  return pass;
}

// The same with other messages
CountedPass scheduled(CountedPass pass, const ScheduleFactory& schedules) {
  pass.schedules = schedules;
  pass.buffers = {buffer_counts(schedules(0, pass.config.devices), 0)};
  return pass;
}

// Half of the heads, in one direction
CountedPass in_direction(CountedPass pass, const HeadRange& heads, const ScheduleFactory& schedules) {
  pass.config.q.H = heads.count, pass.config.k.H = pass.config.v.H = heads.kv_count;
  return scheduled(std::move(pass), schedules);
}

// The rows of a group with 1/u of the heads, in a ring across groups
CountedPass across_groups(CountedPass pass, int u) {
  const RingConfig all = pass.config;
  pass.config = config_in_group(all, u, 0);
  pass.buffers = {pass.config.buffers};
  pass.schedules = [u](int device, int devices) { return ring_across_groups(device, devices, u); };
  for (int device = 0; device < all.devices; ++device) {
    const auto d = static_cast<std::size_t>(device);
    const bool first = device % u == 0;
    pass.query_rows[d] = first ? rows_of_group(all, u, device, all.q.S) : pass.query_rows[d - 1];
    pass.key_rows[d] = first ? rows_of_group(all, u, device, all.k.S) : pass.key_rows[d - 1];
  }
  return pass;
}

// All queries on each device
CountedPass tree_pass(CountedPass pass) {
  pass.rotate = Rotation::q, pass.schedules = tree_schedule;
  pass.config.q_rows = pass.config.q.S;
  pass.query_rows.assign(pass.query_rows.size(), pass.config.q.S);
  for (int device = 0; device < pass.config.devices; ++device)
    pass.buffers.push_back(buffer_counts(tree_schedule(device, pass.config.devices), device));
  return pass;
}

}  // namespace

PlannedPass::PlannedPass(const PlannedStrategy& strategy, bool backward, const LayerAttention& layer)
    : options_(engine_options(strategy, layer.group)),
      layer_(layer),
      own_(own_rows(backward, strategy.rotation(backward), layer)) {
  switch (strategy.strategy) {
    case Strategy::bidirectional: {
      const auto [first, second] = heads_of_directions(layer.shape.heads, layer.shape.kv_heads);
      rings_ = {in_direction(own_, first, ring_schedule), in_direction(own_, second, reverse_ring_schedule)};
      break;
    }
    case Strategy::ulysses:
    case Strategy::usp:
      rings_ = {across_groups(own_, group_size(options_))};
      break;
    case Strategy::tree:
      rings_ = {tree_pass(own_)};
      break;
    default:
      rings_ = {scheduled(own_, block_schedule(options_))};
  }
}

Index PlannedPass::peak_bytes() const {
  if (exchanges_heads()) return peak_bytes_of_usp(own_, rings_.front());
  Index peak = 0;
  for (const CountedPass& ring : rings_) peak += ring.peak_bytes();
  return peak;
}

std::vector<Sent> PlannedPass::run(const CostModel& cost, bool overlap, Recorders& recorders) const {
  CountingLink link(options_.ring.devices, cost);
  RingOptions ring = options_.ring;
  ring.overlap = overlap, ring.recorders = &recorders;
  exchanges_heads() ? run_exchange(link, ring) : run_programs(link, ring);
  return link.sent();
}

void PlannedPass::run_programs(CountingLink& link, const RingOptions& ring) const {
  const int query_group = options_.strategy == Strategy::tree ? ring.devices : 1;
  const PairTable pairs(layer_.shape, layer_.layout, ring.devices, query_group, 1);
  const std::size_t count = static_cast<std::size_t>(ring.devices) * rings_.size();
  std::vector<CountedProgram> programs;
  std::vector<RecordedProgram<NoNumbers>> recorded;
  std::vector<Device<NoNumbers>> devices;
  programs.reserve(count), recorded.reserve(count), devices.reserve(count);
  for (int device = 0; device < ring.devices; ++device)
    for (const CountedPass& pass : rings_) {
      Recorder& recorder = (*ring.recorders)[static_cast<std::size_t>(device)];
      programs.emplace_back(device, pass, pairs);
      recorded.emplace_back(programs.back(), recorder);
      devices.emplace_back(device, pass.schedules(device, ring.devices), recorded.back(), link, recorder);
    }
  const std::size_t steps = rings_.front().schedules(0, ring.devices).steps.size();
  run_ring(std::span(devices), static_cast<int>(steps), ring.overlap);
}

void PlannedPass::run_exchange(CountingLink& link, const RingOptions& ring) const {
  const int u = group_size(options_);
  const PairTable pairs(layer_.shape, layer_.layout, ring.devices, u, u);
  RunRecorders recorders(ring);
  std::vector<std::unique_ptr<CountedUspDevice>> devices;
  for (int device = 0; device < ring.devices; ++device) {
    Recorder& recorder = recorders.of(device);
    HeadExchange<NoNumbers> exchange(group_of(own_.config, u, device),
                                     Port<NoNumbers>(device, link, recorder));
    devices.push_back(std::make_unique<CountedUspDevice>(device, own_, rings_.front(), pairs,
                                                         std::move(exchange), recorder));
  }
  run_usp<NoNumbers, CountedUspDevice>(devices, ring, u, link, recorders);
}

}  // namespace ringattn::planner
