#pragma once

#include "gpu/backward/ladder.h"
#include "gpu/kernels/ladder.h"
#include "gpu/ring/gpu_ring.h"
#include "reference/definition/dtype.h"

namespace ringattn::gpu {

// Exact attention over a ring of devices on GPUs: what ringattn::ring_attention does on the processor, with
// the same loop, schedule and layouts. Q, K and V are stored as _dtype_ (bf16, f16 or f32), out is rounded to
// it once; arithmetic and state are float32. The highest rung of the ladder that takes the problem, up to
// _max_rung_, does the arithmetic. _options_.facts and .traced_rows stay empty, .threads are of no matter.
// Where each process is a device, only the rows of this one are computed, and only those of _forward_ are
// read; the others are 0. Throws BadInput where shapes disagree or the GPU does not do such a thing, GpuError
// where a call of CUDA fails.
AttentionOutput<float> ring_attention(const Problem<float>& problem, Dtype dtype, const GpuOptions& options,
                               int max_rung, Tracing* tracing = nullptr);

// Its vector-Jacobian product: what ringattn::ring_attention_vjp does on the processor. _forward_ is the
// finished forward, in global order; its out and dout are stored as _dtype_, too. The gradients are sums in
// float32, which nobody has rounded yet. _deterministic_: the same bits in every run.
Gradients<float> ring_attention_vjp(const Problem<float>& problem, const AttentionOutput<float>& forward,
                                    const Cotangents<float>& cotangents, Dtype dtype,
                                    const GpuOptions& options, int max_rung, bool deterministic,
                                    Tracing* tracing = nullptr);

// The rungs that do it
const Rung& rung_for(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                     int max_rung);
const BackwardRung& rung_for(const Problem<float>& problem, const Cotangents<float>& cotangents, Dtype dtype,
                             const RingOptions& options, int max_rung, bool deterministic);

}  // namespace ringattn::gpu
