#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "reference/definition/tensor.h"
#include "reference/files/json.h"

namespace ringattn::cli {

// The options of `ringattn bench`.
struct BenchOptions {
  std::string backend = "cpu";
  Index seq = 4096, dim = 128, heads = 8, model_seq = 8192;
  int passes = 5;
  std::optional<std::filesystem::path> json;  // a file, or "-"

  bool on_gpu() const { return backend == "gpu"; }
};

// One row of the tables; fields that do not apply are empty or 0.
struct BenchRow {
  std::string direction, method, mask, layout, exchange;
  int devices = 0, threads = 1;
  double gflops = 0, of_gemm_bound = 0, modelled_efficiency = 0;
};

// Prints two tables: speed, and modelled efficiency
void print(const BenchOptions& options, const std::vector<BenchRow>& rows);

// Also describes the machine
Json to_json(const BenchOptions& options, const std::vector<BenchRow>& rows);

}  // namespace ringattn::cli
