#include "reference/cli/bench.h"

#include <fmt/core.h>
#include <malloc.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <limits>
#include <thread>

#include "reference/blockwise/blockwise_attention.h"
#include "reference/cli/bench_report.h"
#include "reference/cli/gemm_bound.h"
#include "reference/cli/gpu_bench_run.h"
#include "reference/cli/json_output.h"
#include "reference/cli/modelled_efficiency.h"
#include "reference/cli/progress.h"
#include "reference/cli/self_check.h"
#include "reference/cli/values.h"
#include "reference/definition/bad_input.h"
#include "reference/files/output_file.h"

namespace ringattn::cli {

namespace {

struct Measured {
  Attended<float> forward;
  std::optional<Gradients<float>> gradients;
};

// One way to compute attention on one problem
struct Contestant {
  BenchRow row;
  const Case<float>* problem_case = nullptr;
  std::function<Measured()> compute;
  double fastest = std::numeric_limits<double>::infinity();  // seconds
  double gemm = 0;  // fastest operations per second of the products alone

  // 4 or 10 operations for each live pair and element of a head
  double useful_operations() const {
    const Case<float>& c = *problem_case;
    const double N = static_cast<double>(c.Q.shape().S),
                 pairs = row.mask == "causal" ? N * (N + 1) / 2 : N * N;
    return (row.what == "backward" ? 10 : 4) * static_cast<double>(c.Q.shape().D * c.Q.shape().H) * pairs;
  }
};

Case<float> make_bench_case(Index seq, Index dim, Index heads, bool causal) {
  ProblemOptions options;
  options.seq = seq, options.dim = dim, options.heads = heads, options.causal = causal;
  return make_case<float>(options, Source(options));
}

Contestant contestant(const Case<float>& c, const std::string& what, const std::string& method, int threads,
                      Exchange exchange, const Attended<float>& forward) {
  Contestant result;
  result.row.what = what, result.row.method = method,
  result.row.mask = c.scoring.mask.causal ? "causal" : "full";
  result.row.threads = threads;
  result.problem_case = &c;
  RingOptions ring;
  ring.devices = threads, ring.layout = c.scoring.mask.causal ? Layout::zigzag : Layout::contiguous,
  ring.exchange = exchange;
  if (method == "ring") {
    result.row.devices = threads;
    result.row.layout = c.scoring.mask.causal ? "zigzag" : "contiguous";
    result.row.exchange = exchange == Exchange::copied ? "copied" : "handed over";
  }
  const Problem<float> problem = c.problem();
  const Cotangents<float> cotangents = c.cotangents();
  if (what == "forward")
    result.compute = [=] {
      if (method == "full") return Measured{attention(problem), {}};
      return Measured{
          method == "ring" ? ring_attention(problem, ring) : blockwise_attention(problem, threads), {}};
    };
  else
    result.compute = [=, &forward] {
      if (method == "full") return Measured{forward, attention_vjp(problem, forward, cotangents)};
      return Measured{forward, method == "ring"
                                   ? ring_attention_vjp(problem, forward, cotangents, ring)
                                   : blockwise_attention_vjp(problem, forward, cotangents, threads)};
    };
  return result;
}

// Throws unless the contestant's answer is right: what is wrong is not timed
void check_answer(const Contestant& contestant) {
  const Measured measured = contestant.compute();
  const SelfCheck check = check_against_definition(*contestant.problem_case, {}, measured.forward,
                                                   measured.gradients ? &*measured.gradients : nullptr);
  if (!check.right())
    throw WrongResult("[bench] " + contestant.row.method + " " + contestant.row.what +
                      " gives a wrong answer and is not timed");
}

// Passes go round all contestants, each beside the products alone, so that a slow minute of the machine hits
// all
void race(std::vector<Contestant>& contestants, int passes, ProgressLine& progress) {
  for (int pass = 0; pass < passes; ++pass)
    for (Contestant& c : contestants) {
      const Products products = c.row.what == "forward" ? Products::forward : Products::backward;
      c.gemm = std::max(c.gemm, gemm_rate(products, c.problem_case->Q.shape().D, c.row.threads));
      const auto began = std::chrono::steady_clock::now();
      c.compute();
      c.fastest = std::min(c.fastest,
                           std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
      progress.advance();
    }
  for (Contestant& c : contestants) {
    c.row.gflops = c.useful_operations() / c.fastest / 1e9;
    c.row.of_gemm_bound = c.useful_operations() / c.fastest / c.gemm;
  }
}

std::vector<BenchRow> race_all(const BenchOptions& o) {
  const int cores = static_cast<int>(std::min(2u, std::max(1u, std::thread::hardware_concurrency())));
  const Case<float> full = make_bench_case(o.seq, o.dim, o.heads, false),
                    causal = make_bench_case(o.seq, o.dim, o.heads, true);
  const Attended<float> full_forward = blockwise_attention(full.problem(), cores);
  const Attended<float> causal_forward = blockwise_attention(causal.problem(), cores);
  std::vector<Contestant> contestants;
  for (const char* what : {"forward", "backward"})
    for (const Case<float>* c : {&full, &causal}) {
      const Attended<float>& forward = c == &full ? full_forward : causal_forward;
      contestants.push_back(contestant(*c, what, "full", 1, {}, forward));
      for (int threads = 1; threads <= cores; ++threads)
        contestants.push_back(contestant(*c, what, "blockwise", threads, {}, forward));
      for (const Exchange exchange : {Exchange::copied, Exchange::handed_over})
        contestants.push_back(contestant(*c, what, "ring", cores, exchange, forward));
    }
  ProgressLine progress(static_cast<std::int64_t>(contestants.size()) * (o.passes + 1), "passes");
  for (const Contestant& c : contestants) check_answer(c), progress.advance();
  race(contestants, o.passes, progress);
  std::vector<BenchRow> rows;
  for (const Contestant& c : contestants) rows.push_back(c.row);
  return rows;
}

std::vector<BenchRow> model_all(const BenchOptions& o) {
  const Case<float> causal = make_bench_case(o.model_seq, o.dim, 1, true);
  ProgressLine progress(9, "modelled rings");
  std::vector<BenchRow> rows;
  for (const int devices : {2, 4, 8})
    for (const Layout layout : {Layout::contiguous, Layout::zigzag, Layout::striped}) {
      BenchRow row;
      row.what = "forward", row.method = "ring", row.mask = "causal", row.devices = devices;
      row.layout = name(layout);
      row.modelled_efficiency = modelled_efficiency(causal.problem(), layout, devices, std::max(7, o.passes));
      rows.push_back(row);
      progress.advance();
    }
  return rows;
}

// What one pass frees, the next one finds warm, as between the steps of a training run; else the system's
// fresh pages would be timed with the method
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

int run(const BenchOptions& o) {
  keep_freed_memory();
  std::optional<OutputFile> file;
  if (o.json && *o.json != "-") file.emplace(*o.json);
  std::vector<BenchRow> rows = race_all(o);
  for (const BenchRow& row : model_all(o)) rows.push_back(row);
  if (file) {
    file->stream() << pretty(to_json(o, rows));
    file->commit();
  }
  if (o.json && *o.json == "-")
    fmt::print("{}", pretty(to_json(o, rows)));
  else
    print(o, rows);
  return 0;
}

// Throws BadInput where an option belongs to the other backend
void refuse_contradictions(const CLI::App& command, const BenchOptions& o) {
  const std::string other = o.on_gpu() ? "cpu" : "gpu";
  for (const CLI::Option* option : command.get_options([&](const CLI::Option* of_command) {
         return of_command->get_group() == "With --backend " + other && of_command->count() > 0;
       }))
    throw BadInput("[--backend] " + option->get_name() + " goes with --backend " + other +
                   "; found --backend " + o.backend + "; leave it out, or use --backend " + other);
}

}  // namespace

Action add_bench(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("bench", "Speed as ratios, in one run; what gives a wrong answer is not timed");
  const auto o = std::make_shared<BenchOptions>();
  const auto sizes = std::make_shared<GpuBenchSizes>();
  command->footer(
      "Examples:\n  ringattn bench\n  ringattn bench --seq 1024 --model-seq 2048 --passes 2 --json "
      "bench.json\n"
      "  ringattn bench --backend gpu --longest 16384 --json bench.json");
  command->add_option("--backend", o->backend, "who is measured: cpu, or every rung of gpu")
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
  count("--seq", o->seq, "tokens");
  count("--dim", o->dim, "head dimension");
  count("--heads", o->heads, "heads");
  count("--model-seq", o->model_seq, "tokens for the modelled efficiency");
  count("--passes", o->passes, "rounds, of which the fastest counts");
  add_gpu_bench_options(*command, *sizes);
  return [command, o, sizes] {
    refuse_contradictions(*command, *o);
    return o->on_gpu() ? run_gpu_bench(*sizes, o->json) : run(*o);
  };
}

}  // namespace ringattn::cli
