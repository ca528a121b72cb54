#pragma once

#include <functional>

#include "gpu/bench/bench_case.h"
#include "reference/cli/backend/gpu_bench.h"

namespace ringattn::gpu {

// All measurements of the GPU. Calls _on_progress_ with the report as soon as the ceilings are known, and after each
// row. Throws WrongResult if the result of a rung is wrong.
cli::GpuBench bench_gpu(const cli::GpuBenchSizes& sizes,
                        const std::function<void(const cli::GpuBench&)>& on_progress);

}  // namespace ringattn::gpu
