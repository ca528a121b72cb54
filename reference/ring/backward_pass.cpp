#include "reference/ring/backward_pass.h"

#include "reference/ring/forward_pass.h"
#include "reference/ring/programs/backward_kv.h"
#include "reference/ring/programs/backward_q.h"
#include "reference/ring/record/recorded_program.h"
#include "reference/ring/run_programs.h"

namespace ringattn {

namespace {

// Makes the program of a device for the tensors that rotate
template <class T>
std::unique_ptr<BackwardProgram<T>> backward_program(const RingConfig& config, Rotation rotate,
                                                     QueryShard<T> queries, KvShard<T> kv,
                                                     CotangentShard<T> cotangents) {
  if (rotate == Rotation::kv)
    return std::make_unique<BackwardKv<T>>(config, std::move(queries), std::move(kv), std::move(cotangents));
  return std::make_unique<BackwardQ<T>>(config, std::move(queries), std::move(kv), std::move(cotangents));
}

}  // namespace

template <class T>
Gradients<T> backward_pass(const Problem<T>& problem, const AttentionOutput<T>& forward,
                           const Cotangents<T>& cotangents, const RingOptions& options,
                           Transport<T>& transport) {
  check(problem, options);
  check(problem, cotangents);
  const RingConfig config = ring_config(problem, options.layout, options.devices);
  const DeviceRange local = transport.local_devices();

  // dlse - delta of every row, delta = rowsum(dO * O)
  const Tensor<T> row_terms = row_terms_of<T>(cotangents, forward.out, forward.lse);

  // Shard: each local device gets a program that holds its rows; a recorded run calls it through a decorator. The
  // gradients of the sinks are sums over query rows, which stay on their device
  Tensor<T> dsinks = zero_sink_gradients<T>(problem.scoring);
  std::vector<std::unique_ptr<BackwardProgram<T>>> programs;
  std::vector<std::unique_ptr<DeviceProgram<T>>> decorators;
  std::vector<DeviceProgram<T>*> running;
  for (int device = local.begin; device < local.end; ++device) {
    QueryShard<T> queries(problem, options.layout, device, options.devices);
    KvShard<T> kv(problem, options.layout, device, options.devices);
    CotangentShard<T> rows(forward, cotangents, row_terms, queries.rows);
    add(sink_gradients_of(problem.scoring, *rows.lse, *rows.row_term), dsinks);
    programs.push_back(
        backward_program(config, options.rotate, std::move(queries), std::move(kv), std::move(rows)));
    running.push_back(programs.back().get());
    if (!options.recorders) continue;
    Recorder& recorder = (*options.recorders)[static_cast<std::size_t>(device)];
    decorators.push_back(std::make_unique<RecordedProgram<T>>(*programs.back(), recorder));
    running.back() = decorators.back().get();
  }

  run_programs(running, options, transport);

  // Gather: write the rows of each device to their places in the sequence
  Gradients<T> result{Tensor<T>(problem.Q.shape), Tensor<T>(problem.K.shape), Tensor<T>(problem.V.shape),
                      std::move(dsinks)};
  for (const auto& program : programs) {
    scatter_rows(program->gradients().dq, program->query_rows(), result.dq);
    scatter_rows(program->gradients().dk, program->kv_rows(), result.dk);
    scatter_rows(program->gradients().dv, program->kv_rows(), result.dv);
  }
  return result;
}

#define RINGATTN_FOR(T)                                                                                   \
  template Gradients<T> backward_pass(const Problem<T>&, const AttentionOutput<T>&, const Cotangents<T>&, \
                                      const RingOptions&, Transport<T>&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
