#include "reference/ring/forward_pass.h"

#include "reference/definition/bad_input.h"
#include "reference/ring/recorded_program.h"
#include "reference/ring/run_programs.h"

namespace ringattn {

template <class T>
void check(const Problem<T>& problem, const RingOptions& options) {
  check(problem);
  require(!problem.bias && !problem.allowed,
          "[ring_attention] a bias or boolean mask names pairs of rows, which do not travel with a block; use "
          "causal, window or segments, or the full attention of the definition");
  require(options.devices >= 1, "[ring_attention] devices must be at least 1; found ", options.devices);
  require(options.threads >= 0, "[ring_attention] threads must not be negative; found ", options.threads);
  require(!options.recorders || static_cast<int>(options.recorders->size()) == options.devices,
          "[ring_attention] each device needs a recorder of its own; found ",
          options.recorders ? options.recorders->size() : 0, " for ", options.devices, " devices");
}

namespace {

template <class T>
std::unique_ptr<DeviceProgram<T>> recorded(ForwardProgram<T>& program, const RingConfig& config,
                                           const RingOptions& options, int device, Recorder& recorder) {
  if (options.rotate == Rotation::kv)
    return std::make_unique<RecordedForwardKv<T>>(program, options.traced_rows, recorder);
  return std::make_unique<RecordedForwardQ<T>>(program, config, options.traced_rows, device, recorder);
}

}  // namespace

template <class T>
AttentionOutput<T> forward_pass(const Problem<T>& problem, const RingOptions& options, Transport<T>& transport,
                                const ForwardFactory<T>& make_program) {
  check(problem, options);
  const RingConfig config = ring_config(problem, options.layout, options.devices);
  const DeviceRange local = transport.local_devices();

  // Each local device takes its shards
  std::vector<std::unique_ptr<ForwardProgram<T>>> programs;
  for (int device = local.begin; device < local.end; ++device)
    programs.push_back(make_program(config, QueryShard<T>(problem, options.layout, device, options.devices),
                                    KvShard<T>(problem, options.layout, device, options.devices)));

  // A recorded run sees the same programs through decorators
  std::vector<std::unique_ptr<DeviceProgram<T>>> decorators;
  std::vector<DeviceProgram<T>*> running;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    running.push_back(programs[i].get());
    if (!options.recorders) continue;
    const int device = local.begin + static_cast<int>(i);
    Recorder& recorder = (*options.recorders)[static_cast<std::size_t>(device)];
    decorators.push_back(recorded(*programs[i], config, options, device, recorder));
    running.back() = decorators.back().get();
  }
  run_programs(running, options, transport);

  // Rows return to their places in the sequence
  const Shape out = problem.out_shape();
  AttentionOutput<T> result{Tensor<T>(out), row_tensor<T>(out.B, out.S, out.H)};
  for (const auto& program : programs) {
    const AttentionOutput<T> rows = program->state().finish();
    scatter_rows(rows.out, program->rows(), result.out);
    scatter_rows(rows.lse, program->rows(), result.lse);
  }
  return result;
}

#define RINGATTN_FOR(T)                                                                               \
  template void check(const Problem<T>&, const RingOptions&);                                         \
  template AttentionOutput<T> forward_pass(const Problem<T>&, const RingOptions&, Transport<T>&,      \
                                           const ForwardFactory<T>&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
