#include "visualizer/run/engine.h"

#include "reference/comm/in_process/in_process_transport.h"
#include "reference/faults/fault.h"
#include "reference/strategies/distributed_attention.h"

namespace ringattn::viz {

template <class T>
void run_engine(const RunConfig& config, const OwnedProblem<T>& problem, Recorders& recorders, int threads,
                const LinkDecorator<T>& links) {
  StrategyOptions options = strategy_of(config);
  options.ring.recorders = &recorders, options.ring.threads = threads;
  const Fault fault = parse_fault(config.fault, config.devices, config.rotate);
  const LinkDecorator<T> all_links = with_link_fault<T>(fault, links);
  InProcessTransport<T> transport(config.devices, threads, options.ring.exchange, all_links);
  const AttentionOutput<T> forward =
      fault.state ? ring_attention_with<T>(*fault.state, problem.problem(), options.ring, all_links)
                  : distributed_attention<T>(problem.problem(), options, transport);
  if (config.backward)
    distributed_attention_vjp<T>(problem.problem(), forward, problem.cotangents(), options, transport);
}

template void run_engine(const RunConfig&, const OwnedProblem<float>&, Recorders&, int,
                         const LinkDecorator<float>&);
template void run_engine(const RunConfig&, const OwnedProblem<double>&, Recorders&, int,
                         const LinkDecorator<double>&);

}  // namespace ringattn::viz
