#pragma once

#include "gpu/ring/gpu_options.h"
#include "reference/definition/dtype.h"
#include "reference/ring/ring_attention.h"

namespace ringattn::gpu {

// Throws BadInput where a problem is none, or the GPU does not do such a thing
void check(const Problem<float>& problem, Dtype dtype, const GpuOptions& options);

}  // namespace ringattn::gpu
