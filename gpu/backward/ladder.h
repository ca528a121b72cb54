#pragma once

#include "gpu/backward/backward_step.h"
#include "gpu/kernels/rung.h"

namespace ringattn::gpu {

// One kernel of the backward ladder, or two.
using BackwardRung = LadderRung<BackwardStep>;

// From the lowest, which supports every step, to the highest
std::span<const BackwardRung> backward_ladder();

// The highest rung up to number _at_most_ that supports the step; if _deterministic_, only those that give the same
// bits in every run
const BackwardRung& highest_rung(const BackwardStep& step, int at_most, bool deterministic);

// ---- The rungs: the reason why a step is not supported (empty: it is), and the launch ----

std::string naive_backward_unsupported_reason(const BackwardStep& step);
void launch_naive_backward(const BackwardStep& step, cudaStream_t stream);

std::string two_kernels_unsupported_reason(const BackwardStep& step);
void launch_two_kernels(const BackwardStep& step, cudaStream_t stream);

std::string fused_unsupported_reason(const BackwardStep& step);
void launch_fused(const BackwardStep& step, cudaStream_t stream);

}  // namespace ringattn::gpu
