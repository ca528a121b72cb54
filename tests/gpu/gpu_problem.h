#pragma once

#include <limits>

#include "gpu/kernels/ladder.h"
#include "gpu/ring/gpu_attention.h"
#include "tests/support/ring_run.h"

namespace ringattn {

// A problem whose values are representable in _dtype_, with the error bound of a kernel with float32 sums.
struct GpuProblem {
  Dtype dtype;
  RandomProblem<double> drawn;
  RandomProblem<float> narrow;

  GpuProblem(Random& random, Dtype stored, const Extents& extents, const Mask& mask = {},
             CausalAlign align = CausalAlign::bottom_right)
      : dtype(stored), drawn(normal_problem(random, extents)) {
    for (Tensor<double>* tensor : {&drawn.Q, &drawn.K, &drawn.V}) round_to(dtype, *tensor);
    drawn.scoring.mask = mask;
    drawn.q_positions = consecutive_positions(extents.Sq, causal_offset(align, extents.Sq, extents.Skv));
    narrow = drawn.as<float>();
  }

  // out is rounded to the storage type, and so is P on tensor cores
  double out_bound() const { return float32_bound(drawn) + 2 * unit_roundoff(dtype); }
  double lse_bound() const { return float32_bound(drawn); }
};

inline AttentionOutput<float> on_gpu(const GpuProblem& problem, const gpu::GpuOptions& ring = {},
                                     int max_rung = std::numeric_limits<int>::max()) {
  return gpu::ring_attention(problem.narrow.problem(), problem.dtype, ring, max_rung);
}

// Windows are narrower than _furthest_
inline Mask random_mask(Random& random, Index furthest) {
  Mask mask;
  mask.causal = random.below(2) == 0;
  if (random.below(3) == 0) mask.window_left = random.below(furthest);
  if (random.below(3) == 0) mask.window_right = random.below(furthest);
  return mask;
}

// Sequences of at most _longest_ rows
inline Extents random_extents(Random& random, Index longest, Index D, Index Dv) {
  const Index Hkv = 1 + random.below(2);
  return {.B = 1 + random.below(2),
          .Sq = 1 + random.below(longest),
          .Skv = 1 + random.below(longest),
          .Hq = Hkv * (1 + random.below(2)),
          .Hkv = Hkv,
          .D = D,
          .Dv = Dv};
}

constexpr Dtype gpu_dtypes[] = {Dtype::bf16, Dtype::f16, Dtype::f32};

inline RingOptions ring_of(int devices, Layout layout) {
  RingOptions ring;
  ring.devices = devices, ring.layout = layout;
  return ring;
}

}  // namespace ringattn
