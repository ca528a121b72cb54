#pragma once

#include <optional>

#include "reference/comm/in_process/in_process_transport.h"
#include "reference/strategies/distributed_attention.h"
#include "reference/strategies/pass_choice.h"
#include "reference/strategies/tree_decode.h"
#include "reference/trace/summary.h"
#include "tests/support/ring_run.h"

namespace ringattn {

// The results of a strategy for a problem: forward, and backward where it has one.
template <class T>
struct StrategyRun {
  StrategyRun(const RandomProblem<T>& drawn, const StrategyOptions& options,
              const LinkDecorator<T>& decorate = {}) {
    InProcessTransport<T> transport(options.ring.devices, options.ring.threads, options.ring.exchange,
                                    decorate);
    forward = distributed_attention(drawn.problem(), options, transport);
    if (options.strategy != Strategy::tree)
      gradients = distributed_attention_vjp(drawn.problem(), forward, drawn.cotangents(), options, transport);
  }

  AttentionOutput<T> forward;
  std::optional<Gradients<T>> gradients;
};

// What each device sends and holds in one pass in lockstep: run(options, transport)
template <class Run>
std::vector<DeviceSummary> device_summaries(StrategyOptions options, const Run& run) {
  Summary summary(options.ring.devices);
  Recorders recorders = make_recorders(summary, options.ring.devices, {});
  options.ring.recorders = &recorders, options.ring.threads = 1;
  InProcessTransport<double> transport(options.ring.devices, 1, Exchange::copy);
  run(options, transport);
  return summary.devices();
}

template <class T>
bool same_bits(const StrategyRun<T>& a, const StrategyRun<T>& b) {
  return same_bits(a.forward, b.forward) && a.gradients.has_value() == b.gradients.has_value() &&
         (!a.gradients || same_bits(*a.gradients, *b.gradients));
}

inline std::string describe(const StrategyOptions& o) {
  return std::string(name(o.strategy)) + ", groups of " + std::to_string(group_size(o)) + ", " +
         describe(o.ring);
}

// Random options with which the strategy can compute the problem; if there are none, those of a ring. _devices_: 0 for a
// random number
inline StrategyOptions random_strategy(Random& random, Strategy strategy, const RandomProblem<double>& drawn,
                                       int devices = 0) {
  const Problem<double> problem = drawn.problem();
  for (int attempt = 0; attempt < 100; ++attempt) {
    StrategyOptions options{.strategy = strategy, .ring = random_options(random)};
    if (devices > 0) options.ring.devices = devices;
    if (strategy == Strategy::usp || strategy == Strategy::double_ring)
      options.group = static_cast<int>(1 + random.below(options.ring.devices));
    try {
      check_strategy(options, problem.Q.shape.H, problem.K.shape.H, strategy != Strategy::tree);
      return options;
    } catch (const BadInput&) {
    }
  }
  return {.strategy = Strategy::ring, .ring = random_options(random)};
}

}  // namespace ringattn
