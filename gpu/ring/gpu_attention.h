#pragma once

#include "gpu/backward/ladder.h"
#include "gpu/kernels/ladder.h"
#include "gpu/ring/gpu_ring.h"
#include "reference/definition/dtype.h"

namespace ringattn::gpu {

// Exact attention over a ring of devices on GPUs: ringattn::ring_attention with the same loop, schedule and layouts.
// Q, K and V are stored as _dtype_ (bf16, f16 or f32), and out is rounded to it once; arithmetic and state are float32.
// Computes with the highest rung of the ladder up to _max_rung_ that supports the problem. _options_.recorders and
// .traced_rows must be empty; .threads is ignored. If each process is a device, only the rows of this process are
// computed, and the others are 0. Throws BadInput if shapes disagree or the GPU does not support the problem, GpuError
// if a call of CUDA fails.
AttentionOutput<float> ring_attention(const Problem<float>& problem, Dtype dtype, const GpuOptions& options,
                                      int max_rung, Tracing* tracing = nullptr);

// Its vector-Jacobian product, as ringattn::ring_attention_vjp. _forward_ is the finished forward pass, in global
// order, of which a process reads only its own rows; out and dout are stored as _dtype_. The gradients are float32
// sums, not rounded to _dtype_. _deterministic_: the same bits in every run.
Gradients<float> ring_attention_vjp(const Problem<float>& problem, const AttentionOutput<float>& forward,
                                    const Cotangents<float>& cotangents, Dtype dtype,
                                    const GpuOptions& options, int max_rung, bool deterministic,
                                    Tracing* tracing = nullptr);

// The rungs that these functions use
const Rung& rung_for(const Problem<float>& problem, Dtype dtype, const RingOptions& options, int max_rung);
const BackwardRung& rung_for(const Problem<float>& problem, const Cotangents<float>& cotangents, Dtype dtype,
                             const RingOptions& options, int max_rung, bool deterministic);

}  // namespace ringattn::gpu
