#pragma once

#include "gpu/ring/gpu_options.h"
#include "reference/definition/dtype.h"
#include "reference/ring/ring_attention.h"

namespace ringattn::gpu {

// Throws BadInput if the problem is invalid, or the GPU version does not support it
void check(const Problem<float>& problem, Dtype dtype, const GpuOptions& options);

}  // namespace ringattn::gpu
