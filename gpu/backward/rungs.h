#pragma once

#include <cuda_runtime.h>

#include <string>

#include "gpu/backward/backward_step.h"

namespace ringattn::gpu {

// The rungs of the backward ladder. Each is right for every step, or refuses it: a sentence that says why,
// else empty.

std::string naive_backward_unsupported_reason(const BackwardStep& step);
void launch_naive_backward(const BackwardStep& step, cudaStream_t stream);

std::string two_kernels_unsupported_reason(const BackwardStep& step);
void launch_two_kernels(const BackwardStep& step, cudaStream_t stream);

std::string fused_unsupported_reason(const BackwardStep& step);
void launch_fused(const BackwardStep& step, cudaStream_t stream);

}  // namespace ringattn::gpu
