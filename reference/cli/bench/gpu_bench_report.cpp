#include "reference/cli/bench/gpu_bench_report.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdio>

namespace ringattn::cli {

namespace {

template <class Row>
const char* mask_of(const Row& row) {
  return row.causal ? "causal" : "full";
}
template <class Row>
const char* pass_of(const Row& row) {
  return row.backward ? "backward" : "forward";
}

}  // namespace

void print_head(const GpuBench& bench, const GpuBenchSizes& sizes) {
  fmt::print("{}; {} tokens or one sequence, {} columns in all heads, bf16, median of {} runs\n",
             bench.device, sizes.tokens, sizes.columns, sizes.runs);
  fmt::print("GEMM ceiling: {:.1f} TFLOP/s, the products alone, by cuBLAS; a copy alone: {:.1f} GB/s\n\n",
             bench.gemm_tflops, bench.copy_gbps);
  fmt::print("{:<8} {:>4}  {:<7} {:>8}  {:<15} {:>8} {:>9}\n", "pass", "d", "mask", "N", "rung", "TFLOP/s",
             "of GEMM");
  std::fflush(stdout);
}

void print_row(const LadderRow& row) {
  fmt::print("{:<8} {:>4}  {:<7} {:>8}  {} {:<13} {:>8.1f} {:>7.1f} %\n", pass_of(row), row.d, mask_of(row),
             row.N, row.rung, row.kernel, row.tflops, 100 * row.of_gemm);
  std::fflush(stdout);
}

void print_rings(const GpuBench& bench) {
  fmt::print("\nRings of virtual devices, d = 128, beside one call for all that they have\n\n");
  fmt::print("{:<8} {:<7} {:>8} {:>7}  {:<10}  {:<11} {:>8} {:>11} {:>12}\n", "pass", "mask", "N", "devices",
             "layout", "blocks", "TFLOP/s", "of one call", "MiB a device");
  for (const GpuRingRow& row : bench.rings)
    fmt::print("{:<8} {:<7} {:>8} {:>7}  {:<10}  {:<11} {:>8.1f} {:>11} {:>12.1f}\n", pass_of(row),
               mask_of(row), row.N, row.devices, row.layout, row.exchange, row.tflops,
               std::isnan(row.of_one_call) ? "" : fmt::format("{:.1f} %", 100 * row.of_one_call),
               static_cast<double>(row.bytes_per_device) / (1 << 20));
  fmt::print("\nModelled efficiency of a causal mask, each device with a GPU of its own\n\n");
  for (const BalanceRow& row : bench.balance)
    fmt::print("{:<10}  {} devices  {:.1f} %\n", row.layout, row.devices, 100 * row.modelled_efficiency);
}

Json to_json(const GpuBench& bench, const GpuBenchSizes& sizes) {
  Json rows = Json::array();
  for (const LadderRow& row : bench.ladder)
    rows.push_back({{"what", pass_of(row)},
                    {"d", row.d},
                    {"mask", mask_of(row)},
                    {"N", row.N},
                    {"rung", row.rung},
                    {"kernel", row.kernel},
                    {"tflops", number(row.tflops)},
                    {"of_gemm", number(row.of_gemm)}});
  Json rings = Json::array(), balance = Json::array();
  for (const GpuRingRow& row : bench.rings)
    rings.push_back({{"what", pass_of(row)},
                     {"mask", mask_of(row)},
                     {"N", row.N},
                     {"devices", row.devices},
                     {"layout", row.layout},
                     {"exchange", row.exchange},
                     {"seconds", number(row.seconds)},
                     {"tflops", number(row.tflops)},
                     {"of_one_call", std::isnan(row.of_one_call) ? Json() : number(row.of_one_call)},
                     {"bytes_per_device", row.bytes_per_device}});
  for (const BalanceRow& row : bench.balance)
    balance.push_back({{"layout", row.layout},
                       {"devices", row.devices},
                       {"modelled_efficiency", number(row.modelled_efficiency)}});
  return {{"machine", {{"gpu", bench.device}}},
          {"ceilings", {{"gemm_tflops", number(bench.gemm_tflops)}, {"copy_gbps", number(bench.copy_gbps)}}},
          {"problem",
           {{"dtype", "bf16"},
            {"shortest", sizes.shortest},
            {"longest", sizes.longest},
            {"tokens", sizes.tokens},
            {"columns", sizes.columns},
            {"runs", sizes.runs}}},
          {"rows", rows},
          {"rings", rings},
          {"balance", balance}};
}

}  // namespace ringattn::cli
