// `ringattn bench`: times full, blockwise and ring attention on problems of growing length.

#include "reference/cli/args/wrong_result.h"
#include "reference/cli/commands.h"

#include <fmt/core.h>
#include <malloc.h>

#include <chrono>
#include <limits>
#include <thread>

#include "reference/blockwise/blockwise_attention.h"
#include "reference/cli/args/rule.h"
#include "reference/cli/bench/bench_report.h"
#include "reference/cli/bench/gemm_bound.h"
#include "reference/cli/bench/gpu_bench_command.h"
#include "reference/cli/bench/modelled_efficiency.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/output/progress.h"
#include "reference/cli/run/definition_check.h"
#include "reference/definition/input/bad_input.h"
#include "reference/files/available_memory.h"

namespace ringattn::cli {

namespace {

struct BenchResult {
  AttentionOutput<float> forward;
  std::optional<Gradients<float>> gradients;
};

// One way to compute attention on one problem
struct BenchEntry {
  BenchRow row;
  const OwnedProblem<float>* problem_inputs = nullptr;
  std::function<BenchResult()> compute;
  double best_seconds = std::numeric_limits<double>::infinity();
  double gemm_flops = 0;  // most operations per second of the matrix products alone

  // 4 (forward) or 10 (backward) operations for each unmasked pair and element of a head
  double useful_operations() const {
    const OwnedProblem<float>& inputs = *problem_inputs;
    const double N = static_cast<double>(inputs.Q.shape().S),
                 pairs = row.mask == "causal" ? N * (N + 1) / 2 : N * N;
    return (row.direction == "backward" ? 10 : 4) *
           static_cast<double>(inputs.Q.shape().D * inputs.Q.shape().H) * pairs;
  }
};

OwnedProblem<float> make_bench_problem(Index seq, Index dim, Index heads, bool causal) {
  ProblemOptions options;
  options.seq = seq, options.dim = dim, options.heads = heads, options.causal = causal;
  return make_problem<float>(options, InputSource(options));
}

BenchEntry make_entry(const OwnedProblem<float>& inputs, const std::string& direction,
                      const std::string& method, int threads, Exchange exchange,
                      const AttentionOutput<float>& forward) {
  BenchEntry result;
  result.row.direction = direction, result.row.method = method,
  result.row.mask = inputs.scoring.mask.causal ? "causal" : "full";
  result.row.threads = threads;
  result.problem_inputs = &inputs;
  RingOptions ring;
  ring.devices = threads, ring.layout = inputs.scoring.mask.causal ? Layout::zigzag : Layout::contiguous,
  ring.exchange = exchange;
  if (method == "ring") {
    result.row.devices = threads;
    result.row.layout = inputs.scoring.mask.causal ? "zigzag" : "contiguous";
    result.row.exchange = exchange == Exchange::copy ? "copied" : "handed over";
  }
  const Problem<float> problem = inputs.problem();
  const Cotangents<float> cotangents = inputs.cotangents();
  if (direction == "forward")
    result.compute = [=] {
      if (method == "full") return BenchResult{attention(problem), {}};
      return BenchResult{
          method == "ring" ? ring_attention(problem, ring) : blockwise_attention(problem, threads), {}};
    };
  else
    result.compute = [=, &forward] {
      if (method == "full") return BenchResult{forward, attention_vjp(problem, forward, cotangents)};
      return BenchResult{forward, method == "ring"
                                      ? ring_attention_vjp(problem, forward, cotangents, ring)
                                      : blockwise_attention_vjp(problem, forward, cotangents, threads)};
    };
  return result;
}

// Throws WrongResult if the result is wrong: a wrong method is not timed
void check_answer(const BenchEntry& entry) {
  const BenchResult result = entry.compute();
  const DefinitionCheck check = check_against_definition(*entry.problem_inputs, {}, result.forward,
                                                         result.gradients ? &*result.gradients : nullptr);
  if (!check.passed())
    throw WrongResult("[bench] only exact results are timed; found a wrong " + entry.row.direction +
                      " result of " + entry.row.method + "; see ringattn run for where it differs");
}

// Each pass measures all entries, and before each the matrix products alone, so that a temporary slowdown of the
// machine affects all alike
void measure(std::vector<BenchEntry>& entries, int passes, ProgressBar& progress) {
  for (int pass = 0; pass < passes; ++pass)
    for (BenchEntry& entry : entries) {
      const MatrixProducts products =
          entry.row.direction == "forward" ? MatrixProducts::forward : MatrixProducts::backward;
      entry.gemm_flops = std::max(entry.gemm_flops,
                                  gemm_rate(products, entry.problem_inputs->Q.shape().D, entry.row.threads));
      const auto began = std::chrono::steady_clock::now();
      entry.compute();
      entry.best_seconds =
          std::min(entry.best_seconds,
                   std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
      progress.advance();
    }
  for (BenchEntry& entry : entries) {
    entry.row.gflops = entry.useful_operations() / entry.best_seconds / 1e9;
    entry.row.of_gemm_bound = entry.useful_operations() / entry.best_seconds / entry.gemm_flops;
  }
}

std::vector<BenchRow> measure_all(const BenchOptions& o) {
  // Two problems with their results and gradients, and the matrices of scores of full attention, all in float
  const double N = static_cast<double>(o.seq),
               tensor = N * static_cast<double>(o.dim) * static_cast<double>(o.heads);
  require_memory("[bench] ", 4 * (24 * tensor + 4 * N * N) + 8 * 12 * tensor,
                 "the problem with its score matrix", "reduce --seq, --heads or --dim");
  const int cores = static_cast<int>(std::min(2u, std::max(1u, std::thread::hardware_concurrency())));
  const OwnedProblem<float> full = make_bench_problem(o.seq, o.dim, o.heads, false),
                            causal = make_bench_problem(o.seq, o.dim, o.heads, true);
  const AttentionOutput<float> full_forward = blockwise_attention(full.problem(), cores);
  const AttentionOutput<float> causal_forward = blockwise_attention(causal.problem(), cores);
  std::vector<BenchEntry> entries;
  for (const char* direction : {"forward", "backward"})
    for (const OwnedProblem<float>* inputs : {&full, &causal}) {
      const AttentionOutput<float>& forward = inputs == &full ? full_forward : causal_forward;
      entries.push_back(make_entry(*inputs, direction, "full", 1, {}, forward));
      for (int threads = 1; threads <= cores; ++threads)
        entries.push_back(make_entry(*inputs, direction, "blockwise", threads, {}, forward));
      for (const Exchange exchange : {Exchange::copy, Exchange::move})
        entries.push_back(make_entry(*inputs, direction, "ring", cores, exchange, forward));
    }
  ProgressBar progress(static_cast<std::int64_t>(entries.size()) * (o.passes + 1), "passes");
  for (const BenchEntry& entry : entries) check_answer(entry), progress.advance();
  measure(entries, o.passes, progress);
  std::vector<BenchRow> rows;
  for (const BenchEntry& entry : entries) rows.push_back(entry.row);
  return rows;
}

std::vector<BenchRow> model_layouts(const BenchOptions& o) {
  const OwnedProblem<float> causal = make_bench_problem(o.model_seq, o.dim, 1, true);
  ProgressBar progress(9, "modelled rings");
  std::vector<BenchRow> rows;
  for (const int devices : {2, 4, 8})
    for (const Layout layout : all_layouts) {
      BenchRow row;
      row.direction = "forward", row.method = "ring", row.mask = "causal", row.devices = devices;
      row.layout = name(layout);
      row.modelled_efficiency = modelled_efficiency(causal.problem(), layout, devices, std::max(7, o.passes));
      rows.push_back(row);
      progress.advance();
    }
  return rows;
}

// Keeps freed memory in the process for the next pass, as between the steps of a training run; otherwise the page
// faults of new memory would be timed too
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

int run(const BenchOptions& o) {
  keep_freed_memory();
  JsonOutput json(o.json);
  std::vector<BenchRow> rows = measure_all(o);
  for (const BenchRow& row : model_layouts(o)) rows.push_back(row);
  json.write("", to_json(o, rows));
  if (json.shows_text()) print(o, rows);
  return 0;
}

// Throws BadInput if an option belongs to the other backend
void check_option_conflicts(const Command& command, const BenchOptions& o) {
  const std::string other = o.on_gpu() ? "cpu" : "gpu";
  for (const Option* option : command.options())
    require(option->count() == 0 || option->group() != "With --backend " + other, "[--backend] ",
            option->name(), " goes with --backend ", other, "; found --backend ", o.backend,
            "; remove it, or use --backend ", other);
}

}  // namespace

void add_bench(Program& program) {
  Command* command =
      program.add_command("bench", "Measure the speed of attention relative to its matrix products alone");
  const auto o = std::make_shared<BenchOptions>();
  const auto sizes = std::make_shared<GpuBenchSizes>();
  command->footer(
      "Examples:\n  ringattn bench\n  ringattn bench --seq 1024 --model-seq 2048 --passes 2 --json "
      "bench.json\n"
      "  ringattn bench --backend gpu --longest 16384 --json bench.json\n"
      "In Python, python -m ringattn.bench puts PyTorch and JAX beside the engine in one run.");
  command
      ->add_option("--backend", o->backend,
                   "processor to measure: cpu, or gpu with every rung of its ladders")
      ->check(one_of({"cpu", "gpu"}))
      ->type_name("NAME")
      ->capture_default_str();
  add_json_option(*command, o->json);
  const auto count = [&](const char* name, auto& variable, const char* description) {
    command->add_option(name, variable, description)
        ->check(whole_number(1, 1 << 30))
        ->type_name("N")
        ->capture_default_str()
        ->group("With --backend cpu");
  };
  count("--seq", o->seq, "sequence length");
  count("--dim", o->dim, "head dimension");
  count("--heads", o->heads, "number of heads");
  count("--model-seq", o->model_seq, "sequence length for the modelled efficiency");
  count("--passes", o->passes, "number of passes; the fastest counts");
  add_gpu_bench_options(*command, *sizes);
  command->action([command, o, sizes] {
    check_option_conflicts(*command, *o);
    return o->on_gpu() ? run_gpu_bench(*sizes, o->json) : run(*o);
  });
}

}  // namespace ringattn::cli
