#include "reference/cli/run/run_options.h"

#include <fmt/ranges.h>

#include <set>

#include "reference/cli/args/path_conflicts.h"
#include "reference/cli/args/rule.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/device_count.h"

namespace ringattn::cli {

TracedRows RunOptions::traced_rows(Index Sq) const {
  TracedRows traced;
  traced.all = trace_rows == "all" || steps.has_value();
  traced.scores = !trace_rows.empty();  // the file of --steps does not hold scores
  if (traced.all || trace_rows.empty()) return traced;
  const std::vector<Index> list = parse_row_list(trace_rows).value();
  std::set<Index> rows;
  for (const Index row : list) {
    require(row < Sq, "[--trace-rows] rows must be from 0 to ", Sq - 1, "; found ", row);
    rows.insert(row);
  }
  traced.rows.assign(rows.begin(), rows.end());
  return traced;
}

StrategyOptions RunOptions::strategy_options() const {
  return {parse_strategy(strategy), group, parallel.ring_options()};
}

namespace {

void add_strategy_options(Command& command, RunOptions& o) {
  const std::string strategy = "Strategy";
  command
      .add_option("--strategy", o.strategy,
                  fmt::format("how attention is distributed: {}", fmt::join(strategy_names(), ", ")))
      ->check(one_of(strategy_names()))
      ->type_name("NAME")
      ->capture_default_str()
      ->group(strategy);
  command
      .add_option("--group", o.group,
                  "devices in a node (double-ring), or in a group that exchanges heads (usp)")
      ->check(whole_number(1, max_devices))
      ->type_name("N")
      ->group(strategy);
}

// Throws BadInput if the strategy does not support other options
void check_strategy_conflicts(const Command& command, const RunOptions& o) {
  const bool ring = o.strategy == "ring";
  const bool chosen_rotation = o.strategy == "auto" || o.strategy == "tree";
  require(!chosen_rotation || command.count("--rotate") == 0, "[--rotate] ", o.strategy,
          " determines itself what travels; found --rotate ", o.parallel.rotate, "; remove it");
  require(ring || !o.on_gpu(), "[--backend] the GPU version has no strategy but ring; found --strategy ",
          o.strategy, "; remove it, or use --backend cpu");
  require(o.strategy != "auto" || !o.trace,
          "[--trace] auto may rotate other tensors in each pass, and a trace names one; "
          "found --strategy auto; give --rotate with the tensors that the report names instead");
  for (const char* name : {"--trace-rows", "--steps"})
    require(ring || command.count(name) == 0, "[", name,
            "] states after each step are recorded for a ring only; found --strategy ", o.strategy,
            "; remove one of the two");
}

void add_backend_options(Command& command, RunOptions& o) {
  const std::string backend = "Backend";
  command.add_option("--backend", o.backend, "processor that runs the ring: cpu, gpu")
      ->check(one_of({"cpu", "gpu"}))
      ->type_name("NAME")
      ->capture_default_str()
      ->group(backend);
  command
      .add_option("--rung", o.rung,
                  fmt::format("highest rung of the ladder of GPU kernels to use (default: {})", o.rung))
      ->check(whole_number(1, highest_rung_number))
      ->type_name("N")
      ->group(backend);
}

}  // namespace

void add_run_options(Command& command, RunOptions& o) {
  command.footer(
      "Examples:\n"
      "  ringattn run --seq 4096 --devices 8 --causal --layout zigzag\n"
      "  ringattn run --seq 100 --kv-seq 1000 --causal --causal-align bottom-right --devices 4 --backward\n"
      "  ringattn run --input qkv.safetensors --devices 4 --output out.safetensors --json -\n"
      "  ringattn run --seq 64 --devices 4 --trace run.jsonl --trace-rows all --link-gbps 0.1\n"
      "  ringattn run --seq 4096 --devices 8 --heads 8 --strategy usp --group 4 --backward\n"
      "  ringattn run --backend gpu --dtype bf16 --seq 32768 --dim 128 --devices 8 --causal --layout zigzag\n"
      "  mpirun -n 4 ringattn run --backend gpu --transport nccl --dtype bf16 --seq 131072 --dim 128 "
      "--causal");
  add_problem_options(command, o.problem);
  add_parallel_options(command, o.parallel, {"threads", "lockstep", "mpi", "nccl"});
  add_strategy_options(command, o);
  add_link_options(command, o.parallel);
  add_backend_options(command, o);
  const std::string results = "Results";
  const auto file = [&](const char* name, auto& variable, const char* description) {
    return command.add_option(name, variable, description)
        ->check(not_empty())
        ->type_name("FILE")
        ->group(results);
  };
  command
      .add_flag("--backward", o.backward,
                "compute gradients too; dout and dlse come from --input or the seed")
      ->group(results);
  file("--output", o.output, "write out, lse and the gradients as safetensors");
  Option* trace = file("--trace", o.trace, "write the trace as JSON lines, and FILE.perfetto.json");
  command
      .add_option("--trace-rows", o.trace_rows,
                  "query rows whose m, l, O the trace records at each step, as in 0,5,17")
      ->check(row_list())
      ->needs(trace)
      ->type_name("LIST|all")
      ->group(results);
  file("--steps", o.steps, "write m, l, O and kv_owner of each device after each step as safetensors");
  file("--json", o.json, "write the report as JSON; -: to standard output, instead of the text")
      ->type_name("FILE|-");
}

void check_option_conflicts(const Command& command, const RunOptions& o, Dtype dtype) {
  require(o.on_gpu() || command.count("--rung") == 0,
          "[--rung] only the GPU has a ladder of kernels; found --backend cpu; add --backend gpu, or remove "
          "--rung");
  const bool use_nccl = o.parallel.transport == "nccl";
  require(o.on_gpu() || !use_nccl,
          "[--transport] nccl connects GPUs; found --backend cpu; add --backend gpu, or use --transport mpi");
  check_strategy_conflicts(command, o);
  o.parallel.ring_options(), o.parallel.cost_model();  // throw if their options contradict one another
  // Rows of generated input are known before it is generated
  if (!o.problem.input && o.problem.text.empty()) o.traced_rows(o.problem.seq);
  if (!o.on_gpu()) return;
  const std::string instead = "; remove it, or use --backend cpu";
  const std::pair<const char*, const char*> unsupported[] = {
      {"--trace-rows", "does not record rows"},        {"--steps", "does not record states"},
      {"--threads", "runs on streams, not threads"},   {"--link-gbps", "cannot slow links down"},
      {"--link-latency-us", "cannot slow links down"}, {"--devices-per-node", "cannot slow links down"},
      {"--two-way-links", "cannot slow links down"},
  };
  for (const auto& [name, reason] : unsupported)
    require(command.count(name) == 0, "[--backend] the GPU version ", reason, "; found ", name, instead);
  require(use_nccl || command.count("--transport") == 0,
          "[--backend] the GPU version supports no transport but nccl; found --transport ",
          o.parallel.transport, instead);
  require(o.problem.softcap == 0, "[--backend] the GPU version has no soft-cap; found --softcap ",
          o.problem.softcap, instead);
  require(!o.problem.sinks, "[--backend] the GPU version has no attention sinks; found --sinks", instead);
  require(!o.problem.alibi, "[--backend] the GPU version has no ALiBi; found --alibi", instead);
  require(dtype != Dtype::f64,
          "[--backend] the GPU version supports bf16, f16 and f32; found f64; choose another type, or use "
          "--backend cpu");
}

void check_output_paths(const RunOptions& o) {
  std::vector<PathOption> read{{"--input", o.problem.input}};
  for (const std::filesystem::path& text : o.problem.text) read.push_back({"--text", text});
  std::vector<PathOption> written{
      {"--output", o.output}, {"--trace", o.trace}, {"--steps", o.steps}, {"--json", o.json}};
  if (o.trace) written.push_back({"--trace (for Perfetto)", o.trace->string() + ".perfetto.json"});
  require_distinct_paths("run", read, written);
}

}  // namespace ringattn::cli
