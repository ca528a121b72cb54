#pragma once

#include <functional>

#include "gpu/bench/bench_case.h"
#include "gpu/bench/ceilings/ceilings.h"
#include "reference/cli/backend/gpu_bench.h"

namespace ringattn::gpu {

// Every rung on problems of these sizes, forward and then backward. Rungs that would take too long are omitted from
// the report. Calls _found_ with each row as soon as it is known. Throws WrongResult if the result of a
// rung is wrong.
void bench_ladders(const cli::GpuBenchSizes& sizes, const Ceilings& ceilings, Stopwatch& stopwatch,
                   Stream& stream, const std::function<void(const cli::LadderRow&)>& found);

}  // namespace ringattn::gpu
