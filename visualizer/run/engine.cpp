#include "visualizer/run/engine.h"

#include "visualizer/run/run_fault.h"

namespace ringattn::viz {

template <class T>
void run_engine(const RunConfig& config, const OwnedProblem<T>& problem, Recorders& recorders, int threads,
                const LinkDecorator<T>& links) {
  RingOptions ring = ring_of(config);
  ring.recorders = &recorders, ring.threads = threads;
  const std::optional<StateFault> faulty_state = state_fault(config);
  const std::optional<LinkFault> faulty_link = link_fault(config);

  std::unique_ptr<Link<T>> faulty;  // decorated by _links_
  const LinkDecorator<T> all_links = [&](Link<T>& inner, RunMonitor& monitor) -> std::unique_ptr<Link<T>> {
    faulty = faulty_link ? std::make_unique<FaultyLink<T>>(inner, config.devices, *faulty_link) : nullptr;
    return links ? links(faulty ? *faulty : inner, monitor) : std::move(faulty);
  };
  const AttentionOutput<T> forward =
      faulty_state ? ring_attention_with<T>(*faulty_state, problem.problem(), ring, all_links)
                   : ring_attention<T>(problem.problem(), ring, all_links);
  if (config.backward)
    ring_attention_vjp<T>(problem.problem(), forward, problem.cotangents(), ring, all_links);
}

template void run_engine(const RunConfig&, const OwnedProblem<float>&, Recorders&, int,
                         const LinkDecorator<float>&);
template void run_engine(const RunConfig&, const OwnedProblem<double>&, Recorders&, int,
                         const LinkDecorator<double>&);

}  // namespace ringattn::viz
