#include "gpu/tensor/gpu_shard.h"

#include "reference/definition/layout.h"
#include "reference/ring/programs/shard.h"

namespace ringattn::gpu {

namespace {

// A tensor in host memory by its name; one without data is absent
using FindTensor = std::function<TensorView<const float>(std::string_view name)>;

MakeTensor made_from(const FindTensor& find, Dtype dtype, Stream& stream) {
  return [find, dtype, &stream](std::string_view name, const std::vector<Index>& rows, const GpuTensor&,
                                Index room) -> std::shared_ptr<GpuTensor> {
    const TensorView<const float> global = find(name);
    const bool is_state = name == "lse" || name == "dlse";
    if (!global.data) return nullptr;
    return to_gpu(*shard(global, rows), room, is_state ? Dtype::f32 : dtype, stream);
  };
}

TensorView<const float> input(const Problem<float>& problem, std::string_view name) {
  return name == "Q" ? problem.Q : name == "K" ? problem.K : problem.V;
}

}  // namespace

MakeTensor tensors_of(const Problem<float>& problem, Dtype dtype, Stream& stream) {
  return made_from([&](std::string_view name) { return input(problem, name); }, dtype, stream);
}

MakeTensor tensors_of(const Problem<float>& problem, const AttentionOutput<float>& forward,
                      const Cotangents<float>& cotangents, Dtype dtype, Stream& stream) {
  return made_from(
      [&](std::string_view name) -> TensorView<const float> {
        if (name == "dO") return cotangents.dout;
        if (name == "dlse") return cotangents.dlse;
        if (name == "out") return forward.out;
        if (name == "lse") return forward.lse;
        return input(problem, name);
      },
      dtype, stream);
}

GpuShard::GpuShard(const RingConfig& config, const RowPositions& queries, const RowPositions& keys,
                   int device, const MakeTensor& make, Stream& stream)
    : rows(rows_of_device(config.layout, device, config.devices, queries.length())),
      kv_rows(rows_of_device(config.layout, device, config.devices, keys.length())) {
  q_host_positions = std::make_shared<RowPositions>(queries.select(rows));
  kv_host_positions = std::make_shared<RowPositions>(keys.select(kv_rows));
  q_positions = positions_to_gpu(*q_host_positions, config.q_rows, stream);
  kv_positions = positions_to_gpu(*kv_host_positions, config.kv_rows, stream);
  Q = make("Q", rows, *q_positions, config.q_rows);
  K = make("K", kv_rows, *kv_positions, config.kv_rows);
  V = make("V", kv_rows, *kv_positions, config.kv_rows);
}

GpuResults::GpuResults(const RingConfig& config, Index rows, Dtype dtype, Stream& stream)
    : out(uninitialized(config.out_of(rows), bytes_per_element(dtype), stream)),
      lse(uninitialized({config.q.B, rows, config.q.H, 1}, sizeof(float), stream)) {}

GpuState::GpuState(const RingConfig& config, Index rows, Stream& stream) {
  const Shape row{config.q.B, rows, config.q.H, 1};
  m = uninitialized(row, sizeof(float), stream);
  l = uninitialized(row, sizeof(float), stream);
  O = uninitialized(config.out_of(rows), sizeof(float), stream);
}

}  // namespace ringattn::gpu
