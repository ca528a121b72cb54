#include "reference/ring/forward_pass.h"

#include "reference/definition/input/device_count.h"
#include "reference/definition/parallel/parallel_for.h"
#include "reference/ring/programs/forward_kv.h"
#include "reference/ring/programs/forward_q.h"
#include "reference/ring/record/recorded_program.h"

namespace ringattn {

template <class T>
void check(const Problem<T>& problem, const RingOptions& options) {
  check(problem);
  require(
      !problem.bias && !problem.allowed,
      "[ring_attention] a bias or boolean mask holds a value for each pair of rows, and a ring shards single "
      "rows; found one; use causal, window or segments, or attention() of the definition");
  require_device_count("ring_attention", options.devices);
  require(options.threads >= 0, "[ring_attention] threads must not be negative; found ", options.threads,
          "; choose 0 for one thread per device");
  require(!options.recorders || static_cast<int>(options.recorders->size()) == options.devices,
          "[ring_attention] each device needs its own recorder; found ",
          options.recorders ? options.recorders->size() : 0, " recorders for ", options.devices,
          " devices; make one recorder for each device");
}

namespace {

// The decorator that records the blocks and the traced rows of a program
template <class T>
std::unique_ptr<DeviceProgram<T>> recorded(ForwardProgram<T>& program, const RingConfig& config,
                                           const RingOptions& options, int device) {
  Recorder& recorder = (*options.recorders)[static_cast<std::size_t>(device)];
  if (options.rotate == Rotation::kv)
    return std::make_unique<RecordedForwardKv<T>>(program, options.traced_rows, recorder);
  return std::make_unique<RecordedForwardQ<T>>(program, config, options.traced_rows, device, recorder);
}

}  // namespace

template <class T>
ForwardFactory<T> forward_program(Rotation rotate) {
  return [rotate](const RingConfig& config, QueryShard<T> queries,
                  KvShard<T> kv) -> std::unique_ptr<ForwardProgram<T>> {
    if (rotate == Rotation::kv)
      return std::make_unique<ForwardKv<T>>(config, std::move(queries), std::move(kv));
    return std::make_unique<ForwardQ<T>>(config, std::move(queries), std::move(kv));
  };
}

template <class T>
ForwardPrograms<T>::ForwardPrograms(const Problem<T>& problem, const RingOptions& options,
                                    const DeviceRange& local, const ForwardFactory<T>& make_program,
                                    const ScheduleFactory& schedules) {
  check(problem, options);
  config_ =
      ring_config(problem, options.layout, options.devices, buffer_counts(schedules(0, options.devices), 0));
  threads_ = sharding_threads(options, local);

  // Shard
  programs_.resize(static_cast<std::size_t>(local.count()));
  parallel_for(local.count(), threads_, [&](Index n) {
    const int device = local.begin + static_cast<int>(n);
    programs_[static_cast<std::size_t>(n)] =
        make_program(config_, query_shard(problem, options.layout, device, options.devices),
                     kv_shard(problem, options.layout, device, options.devices));
  });

  // Schedule, through decorators if the run is recorded
  for (int device = local.begin; device < local.end; ++device) {
    ForwardProgram<T>& program = *programs_[static_cast<std::size_t>(device - local.begin)];
    DeviceProgram<T>* running = &program;
    if (options.recorders) {
      decorators_.push_back(recorded(program, config_, options, device));
      running = decorators_.back().get();
    }
    scheduled_.push_back({device, schedules(device, options.devices), running});
  }
}

template <class T>
AttentionOutput<T> ForwardPrograms<T>::gather() const {
  // Divide O by l, and write the rows of each device to their places in the sequence
  const Shape out = config_.out_of(config_.q.S);
  AttentionOutput<T> result{Tensor<T>(out), row_tensor<T>(out.B, out.S, out.H)};
  parallel_for(static_cast<Index>(programs_.size()), threads_, [&](Index n) {
    const ForwardProgram<T>& program = *programs_[static_cast<std::size_t>(n)];
    const AttentionOutput<T> rows = program.state().finish();
    scatter_rows(rows.out, program.rows(), result.out);
    scatter_rows(rows.lse, program.rows(), result.lse);
  });
  return result;
}

template <class T>
AttentionOutput<T> forward_pass(const Problem<T>& problem, const RingOptions& options,
                                Transport<T>& transport, const ForwardFactory<T>& make_program,
                                const ScheduleFactory& schedules) {
  const ForwardPrograms<T> programs(problem, options, transport.local_devices(), make_program, schedules);
  run_programs(programs.scheduled(), all_routes(schedules, options.devices), options, transport);
  return programs.gather();
}

#define RINGATTN_FOR(T)                                                                          \
  template void check(const Problem<T>&, const RingOptions&);                                    \
  template ForwardFactory<T> forward_program(Rotation);                                          \
  template class ForwardPrograms<T>;                                                             \
  template AttentionOutput<T> forward_pass(const Problem<T>&, const RingOptions&, Transport<T>&, \
                                           const ForwardFactory<T>&, const ScheduleFactory&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
