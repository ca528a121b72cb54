#include "reference/ring/forward_pass.h"

#include "reference/definition/input/device_count.h"
#include "reference/ring/record/recorded_program.h"
#include "reference/ring/run_programs.h"

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
AttentionOutput<T> forward_pass(const Problem<T>& problem, const RingOptions& options,
                                Transport<T>& transport, const ForwardFactory<T>& make_program) {
  check(problem, options);
  const RingConfig config = ring_config(problem, options.layout, options.devices);
  const DeviceRange local = transport.local_devices();

  // Shard: each local device gets a program that holds its rows; a recorded run calls it through a decorator
  std::vector<std::unique_ptr<ForwardProgram<T>>> programs;
  std::vector<std::unique_ptr<DeviceProgram<T>>> decorators;
  std::vector<DeviceProgram<T>*> running;
  for (int device = local.begin; device < local.end; ++device) {
    QueryShard<T> queries(problem, options.layout, device, options.devices);
    KvShard<T> kv(problem, options.layout, device, options.devices);
    programs.push_back(make_program(config, std::move(queries), std::move(kv)));
    running.push_back(programs.back().get());
    if (!options.recorders) continue;
    decorators.push_back(recorded(*programs.back(), config, options, device));
    running.back() = decorators.back().get();
  }

  run_programs(running, options, transport);

  // Gather: divide O by l, and write the rows of each device to their places in the sequence
  const Shape out = problem.out_shape();
  AttentionOutput<T> result{Tensor<T>(out), row_tensor<T>(out.B, out.S, out.H)};
  for (const auto& program : programs) {
    const AttentionOutput<T> rows = program->state().finish();
    scatter_rows(rows.out, program->rows(), result.out);
    scatter_rows(rows.lse, program->rows(), result.lse);
  }
  return result;
}

#define RINGATTN_FOR(T)                                                                          \
  template void check(const Problem<T>&, const RingOptions&);                                    \
  template AttentionOutput<T> forward_pass(const Problem<T>&, const RingOptions&, Transport<T>&, \
                                           const ForwardFactory<T>&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
