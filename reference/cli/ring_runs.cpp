#include "reference/cli/ring_runs.h"

#include "reference/transport/mpi/mpi_transport.h"
#include "reference/transport/threads.h"
#include "reference/transport/throttled.h"

namespace ringattn::cli {

namespace {

double seconds_since(WallClock::time_point began) {
  return std::chrono::duration<double>(WallClock::now() - began).count();
}

template <class T>
LinkDecorator<T> throttle(const SpreadOptions& spread) {
  if (spread.link_gbps == 0 && spread.link_latency_us == 0) return {};
  return [=](Link<T>& inner, WaitingRoom& room) {
    return std::make_unique<Throttled<T>>(inner, room, spread.devices, spread.cost());
  };
}

template <class T>
RingResults<T> run_over(Transport<T>& transport, const RunOptions& o, const Case<T>& c,
                        const RingOptions& ring) {
  RingResults<T> results;
  const auto began = WallClock::now();
  results.forward = ring_attention(c.problem(), ring, transport);
  if (o.backward)
    results.gradients = ring_attention_vjp(c.problem(), results.forward, c.cotangents(), ring, transport);
  results.seconds = seconds_since(began);
  return results;
}

}  // namespace

template <class T>
RingResults<T> run_on_threads(const RunOptions& o, const Case<T>& c, TraceSink& facts) {
  RingOptions ring = o.spread.ring();
  Recorders pens = recorders(facts, ring.devices, o.spread.cost());
  ring.facts = &pens;
  ring.watched = o.watched_rows(c.Q.shape().S);
  Threads<T> transport(ring, throttle<T>(o.spread));
  return run_over(transport, o, c, ring);
}

template <class T>
RingResults<T> run_on_mpi(const RunOptions& o, const Case<T>& c, Post& post, TraceSink& facts) {
  RingOptions ring = o.spread.ring();
  Recorders pens = recorders(facts, ring.devices, o.spread.cost(), post.local_time(0));
  ring.facts = &pens;
  ring.watched = o.watched_rows(c.Q.shape().S);
  MpiTransport<T> transport(post, ring, throttle<T>(o.spread));
  return run_over(transport, o, c, ring);
}

RingResults<float> run_on_gpu(const RunOptions& o, const Case<float>& c, Post* post, TraceSink& facts) {
  const Problem<float> problem = c.problem();
  const Cotangents<float> cotangents = c.cotangents();
  GpuTask task{problem, o.backward ? &cotangents : nullptr, c.dtype, o.spread.ring()};
  task.over_nccl = o.spread.transport == "nccl";
  task.post = post;
  task.at_most_rung = o.rung;
  const auto began = WallClock::now();
  GpuAnswer answer = attention_on_gpu(task, facts);
  const double seconds = seconds_since(began);
  return {std::move(answer.forward), std::move(answer.gradients), seconds, 1, std::move(answer.where), {}};
}

template RingResults<float> run_on_threads(const RunOptions&, const Case<float>&, TraceSink&);
template RingResults<double> run_on_threads(const RunOptions&, const Case<double>&, TraceSink&);
template RingResults<float> run_on_mpi(const RunOptions&, const Case<float>&, Post&, TraceSink&);
template RingResults<double> run_on_mpi(const RunOptions&, const Case<double>&, Post&, TraceSink&);

}  // namespace ringattn::cli
