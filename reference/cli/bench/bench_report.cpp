#include "reference/cli/bench/bench_report.h"

#include <fmt/core.h>

#include <fstream>
#include <thread>

namespace ringattn::cli {

namespace {

std::string processor() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

}  // namespace

Json to_json(const BenchOptions& o, const std::vector<BenchRow>& rows) {
  Json table = Json::array();
  for (const BenchRow& row : rows) {
    Json entry{{"what", row.direction}, {"method", row.method}, {"mask", row.mask}};
    if (row.devices) entry["devices"] = row.devices, entry["layout"] = row.layout;
    if (!row.exchange.empty()) entry["exchange"] = row.exchange;
    if (row.gflops > 0) {
      entry["threads"] = row.threads;
      entry["gflops"] = number(row.gflops), entry["of_gemm_bound"] = number(row.of_gemm_bound);
    }
    if (row.modelled_efficiency > 0) entry["modelled_efficiency"] = number(row.modelled_efficiency);
    table.push_back(entry);
  }
  return {
      {"machine",
       {{"processor", processor()},
        {"cores", std::thread::hardware_concurrency()},
        {"compiler", "GCC or Clang " __VERSION__}}},
      {"problem",
       {{"seq", o.seq}, {"dim", o.dim}, {"heads", o.heads}, {"model_seq", o.model_seq}, {"dtype", "f32"}}},
      {"rows", table}};
}

void print(const BenchOptions& o, const std::vector<BenchRow>& rows) {
  fmt::print("{}, {} cores; {} tokens, head dimension {}, {} heads, f32\n", processor(),
             std::thread::hardware_concurrency(), o.seq, o.dim, o.heads);
  fmt::print(
      "GEMM bound: the same matrix products at the same tile shapes without softmax, on the same threads, "
      "measured "
      "in turns\n\n");
  fmt::print("{:<9} {:<10} {:<7} {:>7}  {:<12} {:>8} {:>14}\n", "what", "method", "mask", "threads",
             "exchange", "GFLOP/s", "of GEMM bound");
  for (const BenchRow& row : rows)
    if (row.gflops > 0)
      fmt::print("{:<9} {:<10} {:<7} {:>7}  {:<12} {:>8.1f} {:>14.2f}\n", row.direction, row.method, row.mask,
                 row.threads, row.exchange, row.gflops, row.of_gemm_bound);
  fmt::print(
      "\nCausal, {} tokens, one head: modelled efficiency if all devices wait for the slowest one at each "
      "step\n\n",
      o.model_seq);
  fmt::print("{:>7}  {:<11} {:>10}\n", "devices", "layout", "efficiency");
  for (const BenchRow& row : rows)
    if (row.modelled_efficiency > 0)
      fmt::print("{:>7}  {:<11} {:>10.3f}\n", row.devices, row.layout, row.modelled_efficiency);
}

}  // namespace ringattn::cli
