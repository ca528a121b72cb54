#pragma once

#include <filesystem>
#include <optional>

#include "reference/cli/args/command.h"
#include "reference/cli/bench/gpu_bench.h"

namespace ringattn::cli {

// Adds the options of `bench` that go with --backend gpu, all in the group of that name
void add_gpu_bench_options(Command& command, GpuBenchSizes& sizes);

// Measures the GPU; its table grows on standard output, or with _json_ "-" there is the report for programs
// instead. Throws WrongResult where a rung is wrong, and BadInput where sizes make no sense or there is no
// GPU.
int run_gpu_bench(const GpuBenchSizes& sizes, const std::optional<std::filesystem::path>& json);

}  // namespace ringattn::cli
