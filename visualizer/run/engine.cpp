#include "visualizer/run/engine.h"

#include "reference/faults/fault.h"

namespace ringattn::viz {

template <class T>
void run_engine(const RunConfig& config, const OwnedProblem<T>& problem, Recorders& recorders, int threads,
                const LinkDecorator<T>& links) {
  RingOptions ring = ring_of(config);
  ring.recorders = &recorders, ring.threads = threads;
  const Fault fault = parse_fault(config.fault, config.devices, config.rotate);
  const LinkDecorator<T> all_links = with_link_fault<T>(fault, links);
  const AttentionOutput<T> forward =
      fault.state ? ring_attention_with<T>(*fault.state, problem.problem(), ring, all_links)
                  : ring_attention<T>(problem.problem(), ring, all_links);
  if (config.backward)
    ring_attention_vjp<T>(problem.problem(), forward, problem.cotangents(), ring, all_links);
}

template void run_engine(const RunConfig&, const OwnedProblem<float>&, Recorders&, int,
                         const LinkDecorator<float>&);
template void run_engine(const RunConfig&, const OwnedProblem<double>&, Recorders&, int,
                         const LinkDecorator<double>&);

}  // namespace ringattn::viz
