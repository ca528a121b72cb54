#pragma once

#include "reference/cli/gpu_bench.h"
#include "reference/files/json.h"

namespace ringattn::cli {

// The table for people, as it grows: its head as soon as the ceilings are known, then a line a row
void print_head(const GpuBench& bench, const LadderSizes& sizes);
void print_row(const LadderRow& row);

// The same for programs
Json to_json(const GpuBench& bench, const LadderSizes& sizes);

}  // namespace ringattn::cli
