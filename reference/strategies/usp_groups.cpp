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

namespace {

Index shard_rows(const RingOptions& options, int device, Index length) {
  return static_cast<Index>(rows_of_device(options.layout, device, options.devices, length).size());
}

}  // namespace

template <class T>
RingConfig config_in_group(const Problem<T>& problem, const RingOptions& options, int u, int device) {
  const HeadRange heads = heads_in_group(problem.Q.shape.H, problem.K.shape.H, u, device % u);
  RingConfig config = ring_config(with_heads(problem, heads), options.layout, options.devices,
                                  buffer_counts(ring_across_groups(device, options.devices, u), device));
  config.q_rows = config.kv_rows = 0;
  for (int group = 0; group < options.devices; group += u) {
    Index queries = 0, keys = 0;
    for (int member = group; member < group + u; ++member) {
      queries += shard_rows(options, member, config.q.S);
      keys += shard_rows(options, member, config.k.S);
    }
    config.q_rows = std::max(config.q_rows, queries), config.kv_rows = std::max(config.kv_rows, keys);
  }
  return config;
}

template <class T>
HeadGroup group_of(const Problem<T>& problem, const RingOptions& options, int u, int device) {
  HeadGroup group{.place = static_cast<std::size_t>(device % u),
                  .query_heads = problem.Q.shape.H,
                  .kv_heads = problem.K.shape.H};
  for (int place = 0; place < u; ++place) {
    const int member = device / u * u + place;
    group.devices.push_back(member);
    group.heads.push_back(heads_in_group(group.query_heads, group.kv_heads, u, place));
    group.query_lengths.push_back(shard_rows(options, member, problem.Q.shape.S));
    group.key_lengths.push_back(shard_rows(options, member, problem.K.shape.S));
  }
  return group;
}

#define RINGATTN_FOR(T)                                                                  \
  template HeadGroup group_of(const Problem<T>&, const RingOptions&, int u, int device); \
  template RingConfig config_in_group(const Problem<T>&, const RingOptions&, int u, int device);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
