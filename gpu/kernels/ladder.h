#pragma once

#include "gpu/kernels/rung.h"
#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

using Rung = LadderRung<AttentionStep>;

// From the lowest, which supports every step, to the highest
std::span<const Rung> ladder();

// The highest rung up to number _at_most_ that supports the step
const Rung& highest_rung(const AttentionStep& step, int at_most);

// ---- The rungs: the reason why a step is not supported (empty: it is), and the launch ----

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
