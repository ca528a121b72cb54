#pragma once

#include "reference/cli/bench/gpu_bench.h"
#include "reference/files/json.h"

namespace ringattn::cli {

// The table for people, as it grows: its head as soon as the ceilings are known, then a line a row
void print_head(const GpuBench& bench, const GpuBenchSizes& sizes);
void print_row(const LadderRow& row);

// What was found out about rings, after the rows of the ladder
void print_rings(const GpuBench& bench);

// The same for programs
Json to_json(const GpuBench& bench, const GpuBenchSizes& sizes);

}  // namespace ringattn::cli
