#pragma once

#include <filesystem>
#include <optional>

#include "reference/cli/args/command.h"
#include "reference/cli/backend/gpu_bench.h"

namespace ringattn::cli {

// Adds the options of `bench` for --backend gpu, in a group of that name
void add_gpu_bench_options(Command& command, GpuBenchSizes& sizes);

// Measures the GPU. Prints the table row by row, or with _json_ "-" the JSON report instead. Throws WrongResult if a
// rung is wrong, and BadInput if the sizes contradict one another or there is no GPU.
int run_gpu_bench(const GpuBenchSizes& sizes, const std::optional<std::filesystem::path>& json);

}  // namespace ringattn::cli
