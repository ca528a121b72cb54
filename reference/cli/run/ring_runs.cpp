#include "reference/cli/run/ring_runs.h"

#include "reference/comm/decorators/throttled_link.h"
#include "reference/comm/in_process/in_process_transport.h"
#include "reference/comm/mpi/mpi_transport.h"
#include "reference/strategies/distributed_attention.h"

namespace ringattn::cli {

namespace {

double seconds_since(WallClock::time_point began) {
  return std::chrono::duration<double>(WallClock::now() - began).count();
}

template <class T>
LinkDecorator<T> throttle(const ParallelOptions& parallel) {
  return throttled_links<T>(
      std::vector<CostModel>(static_cast<std::size_t>(parallel.devices), parallel.cost_model()));
}

template <class T>
RingResults<T> run_over(Transport<T>& transport, const RunOptions& o, const OwnedProblem<T>& inputs,
                        const RingOptions& ring) {
  StrategyOptions options = o.strategy_options();
  options.ring = ring;
  RingResults<T> results;
  const auto began = WallClock::now();
  results.forward = distributed_attention(inputs.problem(), options, transport);
  if (o.backward)
    results.gradients =
        distributed_attention_vjp(inputs.problem(), results.forward, inputs.cotangents(), options, transport);
  results.seconds = seconds_since(began);
  return results;
}

}  // namespace

template <class T>
RingResults<T> run_ring_on_threads(const RunOptions& o, const OwnedProblem<T>& inputs, TraceSink& events) {
  RingOptions ring = o.parallel.ring_options();
  Recorders recorders = make_recorders(events, ring.devices, o.parallel.cost_model());
  ring.recorders = &recorders;
  ring.traced_rows = o.traced_rows(inputs.Q.shape().S);
  InProcessTransport<T> transport(ring.devices, ring.threads, ring.exchange, throttle<T>(o.parallel));
  return run_over(transport, o, inputs, ring);
}

template <class T>
RingResults<T> run_ring_on_mpi(const RunOptions& o, const OwnedProblem<T>& inputs, MpiCommunicator& mpi,
                               TraceSink& events) {
  RingOptions ring = o.parallel.ring_options();
  Recorders recorders = make_recorders(events, ring.devices, o.parallel.cost_model(), mpi.local_time(0));
  ring.recorders = &recorders;
  ring.traced_rows = o.traced_rows(inputs.Q.shape().S);
  MpiTransport<T> transport(mpi, ring.devices, throttle<T>(o.parallel));
  return run_over(transport, o, inputs, ring);
}

RingResults<float> run_ring_on_gpu(const RunOptions& o, const OwnedProblem<float>& inputs,
                                   MpiCommunicator* mpi, TraceSink& events) {
  const Problem<float> problem = inputs.problem();
  const Cotangents<float> cotangents = inputs.cotangents();
  GpuTask task{problem, o.backward ? &cotangents : nullptr, inputs.dtype, o.parallel.ring_options()};
  task.use_nccl = o.parallel.transport == "nccl";
  task.mpi = mpi;
  task.max_rung = o.rung;
  const auto began = WallClock::now();
  GpuResult answer = attention_on_gpu(task, events);
  const double seconds = seconds_since(began);
  return {std::move(answer.forward), std::move(answer.gradients), seconds, 1, std::move(answer.where), {}};
}

template RingResults<float> run_ring_on_threads(const RunOptions&, const OwnedProblem<float>&, TraceSink&);
template RingResults<double> run_ring_on_threads(const RunOptions&, const OwnedProblem<double>&, TraceSink&);
template RingResults<float> run_ring_on_mpi(const RunOptions&, const OwnedProblem<float>&, MpiCommunicator&,
                                            TraceSink&);
template RingResults<double> run_ring_on_mpi(const RunOptions&, const OwnedProblem<double>&, MpiCommunicator&,
                                             TraceSink&);

}  // namespace ringattn::cli
