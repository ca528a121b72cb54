#include "reference/ring/backward_pass.h"

#include "reference/definition/parallel/parallel_for.h"
#include "reference/ring/forward_pass.h"
#include "reference/ring/programs/backward_kv.h"
#include "reference/ring/programs/backward_q.h"
#include "reference/ring/record/recorded_program.h"

namespace ringattn {

template <class T>
BackwardFactory<T> backward_program(Rotation rotate) {
  return [rotate](const RingConfig& config, QueryShard<T> queries, KvShard<T> kv,
                  CotangentShard<T> cotangents) -> std::unique_ptr<BackwardProgram<T>> {
    if (rotate == Rotation::kv)
      return std::make_unique<BackwardKv<T>>(config, std::move(queries), std::move(kv),
                                             std::move(cotangents));
    return std::make_unique<BackwardQ<T>>(config, std::move(queries), std::move(kv), std::move(cotangents));
  };
}

template <class T>
BackwardPrograms<T>::BackwardPrograms(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                      const Cotangents<T>& cotangents, const RingOptions& options,
                                      const DeviceRange& local, const BackwardFactory<T>& make_program,
                                      const ScheduleFactory& schedules) {
  check(problem, options);
  check(problem, cotangents);
  config_ =
      ring_config(problem, options.layout, options.devices, buffer_counts(schedules(0, options.devices), 0));
  dsinks_ = zero_sink_gradients<T>(problem.scoring);

  // dlse - delta of every row, delta = rowsum(dO * O)
  const Tensor<T> row_terms = row_terms_of<T>(cotangents, forward.out, forward.lse);
  threads_ = sharding_threads(options, local);

  // Shard
  programs_.resize(static_cast<std::size_t>(local.count()));
  std::vector<Tensor<T>> dsinks(programs_.size());
  parallel_for(local.count(), threads_, [&](Index n) {
    const int device = local.begin + static_cast<int>(n);
    QueryShard<T> queries = query_shard(problem, options.layout, device, options.devices);
    KvShard<T> kv = kv_shard(problem, options.layout, device, options.devices);
    CotangentShard<T> rows = cotangent_shard(forward, cotangents, row_terms, queries.rows);
    const auto place = static_cast<std::size_t>(n);
    dsinks[place] = sink_gradients_of(problem.scoring, *rows.lse, *rows.row_term);
    programs_[place] = make_program(config_, std::move(queries), std::move(kv), std::move(rows));
  });
  for (const Tensor<T>& of_device : dsinks) add(of_device, dsinks_);

  // Schedule, through decorators if the run is recorded
  for (int device = local.begin; device < local.end; ++device) {
    BackwardProgram<T>& program = *programs_[static_cast<std::size_t>(device - local.begin)];
    DeviceProgram<T>* running = &program;
    if (options.recorders) {
      Recorder& recorder = (*options.recorders)[static_cast<std::size_t>(device)];
      decorators_.push_back(std::make_unique<RecordedProgram<T>>(program, recorder));
      running = decorators_.back().get();
    }
    scheduled_.push_back({device, schedules(device, options.devices), running});
  }
}

template <class T>
Gradients<T> BackwardPrograms<T>::gather() const {
  // Write the rows of each device to their places in the sequence
  Gradients<T> result{Tensor<T>(config_.q), Tensor<T>(config_.k), Tensor<T>(config_.v), dsinks_};
  parallel_for(static_cast<Index>(programs_.size()), threads_, [&](Index n) {
    const BackwardProgram<T>& program = *programs_[static_cast<std::size_t>(n)];
    scatter_rows(program.gradients().dq, program.query_rows(), result.dq);
    scatter_rows(program.gradients().dk, program.kv_rows(), result.dk);
    scatter_rows(program.gradients().dv, program.kv_rows(), result.dv);
  });
  return result;
}

template <class T>
Gradients<T> backward_pass(const Problem<T>& problem, const AttentionOutput<T>& forward,
                           const Cotangents<T>& cotangents, const RingOptions& options,
                           Transport<T>& transport, const ScheduleFactory& schedules) {
  const BackwardPrograms<T> programs(problem, forward, cotangents, options, transport.local_devices(),
                                     backward_program<T>(options.rotate), schedules);
  run_programs(programs.scheduled(), all_routes(schedules, options.devices), options, transport);
  return programs.gather();
}

#define RINGATTN_FOR(T)                                                                                   \
  template BackwardFactory<T> backward_program(Rotation);                                                 \
  template class BackwardPrograms<T>;                                                                     \
  template Gradients<T> backward_pass(const Problem<T>&, const AttentionOutput<T>&, const Cotangents<T>&, \
                                      const RingOptions&, Transport<T>&, const ScheduleFactory&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
