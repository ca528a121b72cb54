#include "reference/strategies/usp_groups.h"

#include <algorithm>

#include "reference/definition/layout.h"

namespace ringattn {

Schedule ring_across_groups(int device, int devices, int u) {
  return renumbered(ring_schedule(device / u, devices / u),
                    [&](int group) { return group * u + device % u; });
}

std::vector<Route> usp_routes(int devices, int u) {
  std::vector<Route> routes =
      all_routes([u](int device, int all) { return ring_across_groups(device, all, u); }, devices);
  for (int from = 0; from < devices; ++from)
    for (int to = from / u * u; to < from / u * u + u; ++to)
      for (const Channel channel : {Channel::blocks, Channel::results})
        if (to != from) routes.push_back({from, to, channel});
  return routes;
}

HeadRange heads_in_group(Index query_heads, Index kv_heads, int u, int place) {
  const Index count = query_heads / u, kv_count = std::max<Index>(kv_heads / u, 1);
  return {place * count, count, kv_heads < u ? place * kv_heads / u : place * kv_count, kv_count};
}

Index rows_of_group(const RingConfig& all, int u, int device, Index N) {
  Index rows = 0;
  for (int member = device / u * u; member < device / u * u + u; ++member)
    rows += shard_rows(all.layout, member, all.devices, N);
  return rows;
}

RingConfig config_in_group(const RingConfig& all, int u, int device) {
  const HeadRange heads = heads_in_group(all.q.H, all.k.H, u, device % u);
  RingConfig config = all;
  config.scoring = all.scoring.of_heads(heads.first, heads.count);
  config.q.H = heads.count, config.k.H = config.v.H = heads.kv_count;
  config.buffers = buffer_counts(ring_across_groups(device, all.devices, u), device);
  config.q_rows = config.kv_rows = 0;
  for (int group = 0; group < all.devices; group += u) {
    config.q_rows = std::max(config.q_rows, rows_of_group(all, u, group, all.q.S));
    config.kv_rows = std::max(config.kv_rows, rows_of_group(all, u, group, all.k.S));
  }
  return config;
}

HeadGroup group_of(const RingConfig& all, int u, int device) {
  HeadGroup group{.place = static_cast<std::size_t>(device % u), .query_heads = all.q.H, .kv_heads = all.k.H};
  for (int place = 0; place < u; ++place) {
    const int member = device / u * u + place;
    group.devices.push_back(member);
    group.heads.push_back(heads_in_group(group.query_heads, group.kv_heads, u, place));
    group.query_lengths.push_back(shard_rows(all.layout, member, all.devices, all.q.S));
    group.key_lengths.push_back(shard_rows(all.layout, member, all.devices, all.k.S));
  }
  return group;
}

}  // namespace ringattn
