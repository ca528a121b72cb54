#include "gpu/ring/gpu_attention.h"

#include "gpu/ring/backward_ring.h"
#include "gpu/ring/forward_ring.h"
#include "gpu/ring/limits.h"

namespace ringattn::gpu {

namespace {

RingConfig ring_config_of(const Problem<float>& problem, const RingOptions& options) {
  return make_ring_config(problem.scoring, problem.Q.shape, problem.K.shape, problem.V.shape, options);
}

bool finite(const TensorView<const float>& tensor) {
  for (Index b = 0; b < tensor.shape.B; ++b)
    for (Index h = 0; h < tensor.shape.H; ++h)
      if (!tensor.head(b, h).allFinite()) return false;
  return true;
}

// From rung 2 on, masked values within a tile are multiplied by 0, and 0 x NaN is NaN
int limit_rung(const Problem<float>& problem, int max_rung) { return finite(problem.V) ? max_rung : 1; }
int limit_rung(const Problem<float>& problem, const Cotangents<float>& cotangents, int max_rung) {
  const bool all_finite =
      finite(problem.Q) && finite(problem.K) && finite(problem.V) && finite(cotangents.dout);
  return all_finite ? max_rung : 1;
}

}  // namespace

const Rung& rung_for(const Problem<float>& problem, Dtype dtype, const RingOptions& options, int max_rung) {
  return highest_rung(common_step<AttentionStep>(ring_config_of(problem, options), dtype),
                      limit_rung(problem, max_rung));
}

const BackwardRung& rung_for(const Problem<float>& problem, const Cotangents<float>& cotangents, Dtype dtype,
                             const RingOptions& options, int max_rung, bool deterministic) {
  return highest_rung(common_step<BackwardStep>(ring_config_of(problem, options), dtype),
                      limit_rung(problem, cotangents, max_rung), deterministic);
}

AttentionOutput<float> ring_attention(const Problem<float>& problem, Dtype dtype, const GpuOptions& options,
                                      int max_rung, Tracing* tracing) {
  check(problem, dtype, options);
  Stream uploads;
  ForwardRing ring(ring_config_of(problem, options), problem.q_positions, problem.kv_positions, dtype,
                   options, limit_rung(problem, max_rung), tensors_of(problem, dtype, uploads), tracing);
  ring.run();
  ring.finish();

  const Shape out = problem.out_shape();
  AttentionOutput<float> result{Tensor<float>(out), row_tensor<float>(out.B, out.S, out.H)};
  const auto [begin, end] = options.local_devices();
  for (int d = begin; d < end; ++d) {
    const GpuResults& found = ring.program(d).results();
    const std::vector<Index>& rows = ring.program(d).shard().rows;
    scatter_rows(from_gpu(*found.out, dtype, ring.stream()), rows, result.out);
    scatter_rows(from_gpu(*found.lse, Dtype::f32, ring.stream()), rows, result.lse);
  }
  return result;
}

Gradients<float> ring_attention_vjp(const Problem<float>& problem, const AttentionOutput<float>& forward,
                                    const Cotangents<float>& cotangents, Dtype dtype,
                                    const GpuOptions& options, int max_rung, bool deterministic,
                                    Tracing* tracing) {
  check(problem, dtype, options);
  ringattn::check(problem, cotangents);
  Stream uploads;
  BackwardRing ring(ring_config_of(problem, options), problem.q_positions, problem.kv_positions, dtype,
                    options, limit_rung(problem, cotangents, max_rung), deterministic,
                    tensors_of(problem, forward, cotangents, dtype, uploads), tracing);
  ring.run();
  ring.finish();

  Gradients<float> result{Tensor<float>(problem.Q.shape), Tensor<float>(problem.K.shape),
                          Tensor<float>(problem.V.shape)};
  const auto [begin, end] = options.local_devices();
  for (int d = begin; d < end; ++d) {
    const GpuGradients& found = ring.program(d).gradients();
    const GpuShard& shard = ring.program(d).shard();
    scatter_rows(from_gpu(*found.dQ, Dtype::f32, ring.stream()), shard.rows, result.dq);
    scatter_rows(from_gpu(*found.dK, Dtype::f32, ring.stream()), shard.kv_rows, result.dk);
    scatter_rows(from_gpu(*found.dV, Dtype::f32, ring.stream()), shard.kv_rows, result.dv);
  }
  return result;
}

}  // namespace ringattn::gpu
