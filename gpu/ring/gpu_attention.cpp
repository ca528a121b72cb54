#include "gpu/ring/gpu_attention.h"

#include "gpu/ring/limits.h"

namespace ringattn::gpu {

namespace {

Agreement agreement_of(const Problem<float>& problem, const RingOptions& options) {
  return agreement_on(problem.scoring, problem.Q.shape, problem.K.shape, problem.V.shape, options);
}

// From rung 2 on, values that a mask hides within a tile are multiplied by 0, and 0 x NaN is NaN
int rungs_for(const TensorView<const float>& V, int at_most_rung) {
  for (Index b = 0; b < V.shape.B; ++b)
    for (Index h = 0; h < V.shape.H; ++h)
      if (!V.head(b, h).allFinite()) return 1;
  return at_most_rung;
}

}  // namespace

const Rung& rung_for(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                     int at_most_rung) {
  return highest_rung(common_step(agreement_of(problem, options), dtype), rungs_for(problem.V, at_most_rung));
}

Attended<float> ring_attention(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                               int at_most_rung, const Tracing& tracing) {
  check(problem, dtype, options);
  Stream uploads;
  GpuRing ring(agreement_of(problem, options), problem.q_tokens, problem.kv_tokens, dtype, options,
               rungs_for(problem.V, at_most_rung), tensors_of(problem, dtype, uploads), tracing);
  ring.go_round();
  ring.finish();

  const Shape out = problem.out_shape();
  Attended<float> result{Tensor<float>(out), row_tensor<float>(out.B, out.S, out.H)};
  for (int d = 0; d < options.devices; ++d) {
    const GpuShard& shard = ring.shard(d);
    scatter_rows(from_gpu(*shard.out, dtype, ring.stream()), shard.rows, result.out);
    scatter_rows(from_gpu(*shard.lse, Dtype::f32, ring.stream()), shard.rows, result.lse);
  }
  return result;
}

}  // namespace ringattn::gpu
