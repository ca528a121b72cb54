#pragma once

#include <cuda_runtime.h>

#include <string>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// The rungs of the ladder. Each is right for every step, or refuses it: a sentence that says why, else empty.

std::string naive_unsupported_reason(const AttentionStep& step);
void launch_naive(const AttentionStep& step, cudaStream_t stream);

std::string tiled_unsupported_reason(const AttentionStep& step);
void launch_tiled(const AttentionStep& step, cudaStream_t stream);

std::string tensor_cores_unsupported_reason(const AttentionStep& step);
void launch_tensor_cores(const AttentionStep& step, cudaStream_t stream);

std::string hopper_unsupported_reason(const AttentionStep& step);
void launch_hopper(const AttentionStep& step, cudaStream_t stream);

std::string specialised_unsupported_reason(const AttentionStep& step);
void launch_specialised(const AttentionStep& step, cudaStream_t stream);

std::string overlapped_unsupported_reason(const AttentionStep& step);
void launch_overlapped(const AttentionStep& step, cudaStream_t stream);

std::string persistent_unsupported_reason(const AttentionStep& step);
void launch_persistent(const AttentionStep& step, cudaStream_t stream);

}  // namespace ringattn::gpu
