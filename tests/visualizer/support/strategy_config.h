#pragma once

#include <numeric>

#include "tests/visualizer/support/random_config.h"
#include "visualizer/run/record_run.h"

namespace ringattn::viz {

// The strategies that a trace can name, other than a ring
inline constexpr Strategy shown_strategies[] = {Strategy::all_gather,  Strategy::bidirectional,
                                                Strategy::double_ring, Strategy::ulysses,
                                                Strategy::usp,         Strategy::tree};

// A random run of a strategy, with ragged rows and heads that it can distribute
inline RunConfig strategy_config(Random& random, Strategy strategy, int devices) {
  RunConfig c;
  c.strategy = strategy, c.devices = devices;
  c.queries = 3 + random.below(14), c.keys = 2 + random.below(17);
  c.dim = 1 + random.below(4), c.v_dim = 2 + random.below(3);
  c.layout = static_cast<Layout>(random.below(3));
  c.causal = random.below(2);
  c.rotate = strategy == Strategy::tree || random.below(2) ? Rotation::kv : Rotation::q;
  c.backward = strategy != Strategy::tree && random.below(2);
  c.overlap = random.below(2);
  c.dtype = random.below(2) ? "f64" : "f32";
  c.cost = {.ns_per_pair = 1 + random.uniform(),
            .link_gbps = static_cast<double>(random.below(4)),
            .link_latency_us = static_cast<double>(random.below(3)) / 20};

  // A group is a divisor of the devices; heads and the group divide one another
  if (strategy == Strategy::double_ring || strategy == Strategy::usp) {
    do c.group = 1 + static_cast<int>(random.below(devices));
    while (devices % c.group != 0);
  }
  const Index group = strategy == Strategy::ulysses ? devices : std::max(c.group, 1);
  c.kv_heads = strategy == Strategy::bidirectional ? 2 + random.below(2)
               : random.below(2)                   ? group * (1 + random.below(2))
                                                   : 1;
  c.heads = std::lcm(c.kv_heads, group) * (1 + random.below(2));
  return c;
}

// Calls visit(recording) for random runs of each strategy, on 1 to 6 devices
template <class Visit>
void for_each_strategy(std::uint64_t seed, int runs, const Visit& visit) {
  Random random(seed);
  for (const Strategy strategy : shown_strategies)
    for (int n = 0; n < runs; ++n) {
      const RunConfig config = strategy_config(random, strategy, 1 + n % 6);
      INFO(name(strategy) << ", " << config.devices << " devices, group " << config.group << ", "
                          << config.heads << " heads, " << config.kv_heads << " K/V heads");
      visit(*record_run(config).recording, random);
    }
}

}  // namespace ringattn::viz
