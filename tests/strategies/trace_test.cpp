// Tests that the trace of every strategy satisfies the invariants of a run.

#include <doctest/doctest.h>

#include "tests/strategies/strategy_run.h"
#include "tests/support/traced_run.h"
#include "tests/support/trials.h"

using namespace ringattn;

TEST_CASE("the trace of every strategy satisfies the invariants, and its times do not depend on threads") {
  Random random(1);
  for (int n = 0; n < trials(5); ++n)
    for (const Strategy strategy : all_strategies) {
      const RandomProblem<double> drawn = random_problem(random);
      StrategyOptions options = random_strategy(random, strategy, drawn);
      if (options.strategy == Strategy::automatic) options.strategy = Strategy::ring;
      CAPTURE(drawn.describe());
      CAPTURE(describe(options));
      TraceHeader header =
          header_of(drawn, options.ring, {.ns_per_pair = 1, .link_gbps = 1, .link_latency_us = 0.01});
      // Sometimes with links between nodes, and for each direction
      if (random.below(2)) {
        header.cost.devices_per_node = static_cast<int>(1 + random.below(header.devices));
        header.cost.network_gbps = 0.3, header.cost.network_latency_us = 0.02;
      }
      if (random.below(2)) header.cost.two_way_devices = header.devices;
      header.strategy = name(options.strategy), header.group = group_size(options);
      if (options.strategy != Strategy::tree) header.passes.push_back("backward");

      std::vector<double> ends;
      for (const int threads : {0, 1}) {
        TraceStore store(header.devices);
        Recorders recorders = make_recorders(store, header.devices, header.cost);
        options.ring.recorders = &recorders;
        options.ring.threads = threads;
        StrategyRun<double>(drawn, options);
        const std::vector<Event> events = store.events();
        for (const std::string& violation : broken_invariants(header, events)) FAIL_CHECK(violation);
        double end = 0;
        for (const Event& event : events) end = std::max(end, event.t);
        ends.push_back(end);
      }
      CHECK(ends[0] == ends[1]);
    }
}
