#include "reference/cli/bench/gpu_bench_command.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdio>

#include "reference/cli/args/rule.h"
#include "reference/cli/backend/backend.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/output/progress.h"
#include "reference/definition/input/bad_input.h"

namespace ringattn::cli {

namespace {

// ---- Report ------------------------------------------------------------------

template <class Row>
const char* mask_of(const Row& row) {
  return row.causal ? "causal" : "full";
}
template <class Row>
const char* pass_of(const Row& row) {
  return row.backward ? "backward" : "forward";
}

// The head of the table, printed as soon as the ceilings are known
void print_head(const GpuBench& bench, const GpuBenchSizes& sizes) {
  fmt::print("{}; batches of {} tokens or one sequence, {} columns over all heads, bf16, median of {} runs\n",
             bench.device, sizes.tokens, sizes.columns, sizes.runs);
  fmt::print("GEMM ceiling: {}; copy ceiling: {:.1f} GB/s\n\n",
             std::isnan(bench.gemm_tflops)
                 ? "not measured, found no cuBLAS"
                 : fmt::format("{:.1f} TFLOP/s, the matrix products alone in cuBLAS", bench.gemm_tflops),
             bench.copy_gbps);
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
  fmt::print("\nRings of virtual devices, d = 128, compared with one call on the whole problem\n\n");
  fmt::print("{:<8} {:<7} {:>8} {:>7}  {:<10}  {:<11} {:>8} {:>11} {:>12}\n", "pass", "mask", "N", "devices",
             "layout", "blocks", "TFLOP/s", "of one call", "MiB/device");
  for (const GpuRingRow& row : bench.rings)
    fmt::print("{:<8} {:<7} {:>8} {:>7}  {:<10}  {:<11} {:>8.1f} {:>11} {:>12.1f}\n", pass_of(row),
               mask_of(row), row.N, row.devices, row.layout, row.exchange, row.tflops,
               std::isnan(row.of_one_call) ? "" : fmt::format("{:.1f} %", 100 * row.of_one_call),
               static_cast<double>(row.bytes_per_device) / (1 << 20));
  fmt::print("\nModelled efficiency of a causal mask, if each device had its own GPU\n\n");
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

// ---- Run ---------------------------------------------------------------------

constexpr int largest_head_dim = 128;

void check_sizes(const GpuBenchSizes& sizes) {
  require(sizes.shortest <= sizes.longest, "[bench] --shortest must not exceed --longest; found ",
          sizes.shortest, " and ", sizes.longest, "; change one of them");
  require(sizes.columns % largest_head_dim == 0, "[bench] --columns must be a multiple of ", largest_head_dim,
          ", so that heads of 64 and 128 columns fill them; found ", sizes.columns, "; round it");
}

int problem_count(const GpuBenchSizes& sizes) {
  int lengths = 0;
  for (int N = sizes.shortest; N <= sizes.longest; N *= 2) ++lengths;
  return 8 * lengths;  // forward and backward, d = 64 and 128, full and causal
}

bool begins_problem(const std::vector<LadderRow>& ladder) {
  return ladder.size() == 1 || !ladder.back().same_problem(ladder[ladder.size() - 2]);
}

}  // namespace

void add_gpu_bench_options(Command& command, GpuBenchSizes& sizes) {
  const auto count = [&](const char* name, int& variable, int most, const char* description) {
    command.add_option(name, variable, description)
        ->check(whole_number(1, static_cast<std::uint64_t>(most)))
        ->type_name("N")
        ->capture_default_str()
        ->group("With --backend gpu");
  };
  constexpr int million = 1 << 20;
  count("--shortest", sizes.shortest, million, "shortest sequence length; it is doubled until --longest");
  count("--longest", sizes.longest, million, "longest sequence length");
  count("--tokens", sizes.tokens, million, "tokens of a batch of sequences shorter than this");
  count("--columns", sizes.columns, 1 << 16, "columns of all heads together; a multiple of 128");
  count("--runs", sizes.runs, 1000, "number of runs; the median counts");
  count("--ring-devices", sizes.ring_devices, 32, "number of virtual devices in a ring");
  count("--ring-tokens", sizes.ring_tokens, million, "tokens per virtual device");
  count("--long-ring", sizes.long_ring, 1 << 24, "tokens of one long causal ring");
}

int run_gpu_bench(const GpuBenchSizes& sizes, const std::optional<std::filesystem::path>& json) {
  check_sizes(sizes);
  require_gpu();
  JsonOutput output(json);
  ProgressBar progress(problem_count(sizes), "problems");
  const GpuBench bench = bench_on_gpu(sizes, [&](const GpuBench& so_far) {
    progress.clear();
    if (output.shows_text())
      so_far.ladder.empty() ? print_head(so_far, sizes) : print_row(so_far.ladder.back());
    if (!so_far.ladder.empty() && begins_problem(so_far.ladder)) progress.advance();
  });
  progress.clear();
  if (output.shows_text()) print_rings(bench);
  output.write("", to_json(bench, sizes));
  return 0;
}

}  // namespace ringattn::cli
