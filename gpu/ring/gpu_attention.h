#pragma once

#include "gpu/kernels/ladder.h"
#include "gpu/ring/gpu_ring.h"
#include "reference/definition/dtype.h"

namespace ringattn::gpu {

// Exact attention over a ring of virtual devices on one GPU: what ringattn::ring_attention does on the
// processor, with the same loop, schedule and layouts. Q, K and V are stored as _dtype_ (bf16, f16 or f32),
// out is rounded to it once; arithmetic and state are float32. The highest rung of the ladder that takes the
// problem, up to _at_most_rung_, does the arithmetic. _options_.facts and .watched stay empty, .threads are
// of no matter. Throws BadInput where shapes disagree or the GPU does not do such a thing, GpuError where a
// call of CUDA fails.
Attended<float> ring_attention(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                               int at_most_rung, const Tracing& tracing = {});

// The rung that does it
const Rung& rung_for(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                     int at_most_rung);

}  // namespace ringattn::gpu
