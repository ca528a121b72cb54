#include "reference/cli/gpu_bench_report.h"

#include <fmt/core.h>

#include <cstdio>

namespace ringattn::cli {

namespace {

const char* mask_of(const LadderRow& row) { return row.causal ? "causal" : "full"; }

}  // namespace

void print_head(const GpuBench& bench, const LadderSizes& sizes) {
  fmt::print("{}; {} tokens or one sequence, {} columns in all heads, bf16, median of {} runs\n",
             bench.device, sizes.tokens, sizes.columns, sizes.runs);
  fmt::print("GEMM ceiling: {:.1f} TFLOP/s, the products alone, by cuBLAS; a copy alone: {:.1f} GB/s\n\n",
             bench.gemm_tflops, bench.copy_gbps);
  fmt::print("{:>4}  {:<7} {:>8}  {:<15} {:>8} {:>9}\n", "d", "mask", "N", "rung", "TFLOP/s", "of GEMM");
  std::fflush(stdout);
}

void print_row(const LadderRow& row) {
  fmt::print("{:>4}  {:<7} {:>8}  {} {:<13} {:>8.1f} {:>7.1f} %\n", row.d, mask_of(row), row.N, row.rung,
             row.kernel, row.tflops, 100 * row.of_gemm);
  std::fflush(stdout);
}

Json to_json(const GpuBench& bench, const LadderSizes& sizes) {
  Json rows = Json::array();
  for (const LadderRow& row : bench.ladder)
    rows.push_back({{"what", "forward"},
                    {"d", row.d},
                    {"mask", mask_of(row)},
                    {"N", row.N},
                    {"rung", row.rung},
                    {"kernel", row.kernel},
                    {"tflops", number(row.tflops)},
                    {"of_gemm", number(row.of_gemm)}});
  return {{"machine", {{"gpu", bench.device}}},
          {"ceilings", {{"gemm_tflops", number(bench.gemm_tflops)}, {"copy_gbps", number(bench.copy_gbps)}}},
          {"problem",
           {{"dtype", "bf16"},
            {"shortest", sizes.shortest},
            {"longest", sizes.longest},
            {"tokens", sizes.tokens},
            {"columns", sizes.columns},
            {"runs", sizes.runs}}},
          {"rows", rows}};
}

}  // namespace ringattn::cli
