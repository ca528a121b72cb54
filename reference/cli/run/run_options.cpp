#include "reference/cli/run/run_options.h"
#include "reference/cli/args/command.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "reference/cli/args/path_conflicts.h"
#include "reference/cli/args/rule.h"
#include "reference/definition/bad_input.h"

namespace ringattn::cli {

TracedRows RunOptions::watched_rows(Index Sq) const {
  TracedRows traced_rows;
  traced_rows.all = trace_rows == "all" || steps.has_value();
  traced_rows.scores = !trace_rows.empty();  // steps have no place for them
  if (traced_rows.all || trace_rows.empty()) return traced_rows;
  std::istringstream list(trace_rows);
  for (std::string entry; std::getline(list, entry, ',');) {
    Index row = -1;
    const auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), row);
    require(error == std::errc() && end == entry.data() + entry.size() && row >= 0 && row < Sq,
            "[--trace-rows] query rows from 0 to ", Sq - 1, " are wanted, as 0,5,17, or all; found \"", entry,
            "\"");
    traced_rows.rows.push_back(row);
  }
  std::sort(traced_rows.rows.begin(), traced_rows.rows.end());
  traced_rows.rows.erase(std::unique(traced_rows.rows.begin(), traced_rows.rows.end()), traced_rows.rows.end());
  return traced_rows;
}

namespace {

void add_backend_options(Command& command, RunOptions& o) {
  const std::string backend = "Backend";
  command.add_option("--backend", o.backend, "who does the arithmetic: cpu, gpu")
      ->check(one_of({"cpu", "gpu"}))
      ->type_name("NAME")
      ->capture_default_str()
      ->group(backend);
  command.add_option("--rung", o.rung, "the highest rung of the ladder of kernels that the GPU may use")
      ->check(whole_number(1, 7))
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
      "  ringattn run --backend gpu --dtype bf16 --seq 32768 --dim 128 --devices 8 --causal --layout zigzag\n"
      "  mpirun -n 4 ringattn run --backend gpu --transport nccl --dtype bf16 --seq 131072 --dim 128 "
      "--causal");
  add_problem_options(command, o.problem);
  add_parallel_options(command, o.parallel, {"threads", "lockstep", "mpi", "nccl"});
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
                "gradients as well; dout and dlse from the file, or drawn from the seed")
      ->group(results);
  file("--output", o.output, "write out, lse and gradients, as safetensors");
  Option* trace = file("--trace", o.trace, "write all events as JSON lines, and FILE.perfetto.json");
  command.add_option("--trace-rows", o.trace_rows, "rows of which the trace shows m, l, O at each step")
      ->check(not_empty())
      ->needs(trace)
      ->type_name("LIST|all")
      ->group(results);
  file("--steps", o.steps, "write each device's m, l, O and kv_owner after each step, as safetensors");
  file("--json", o.json, "the report for programs; - is standard output")->type_name("FILE|-");
}

void check_option_conflicts(const Command& command, const RunOptions& o, Dtype dtype) {
  require(o.on_gpu() || command.count("--rung") == 0,
          "[--rung] rungs are those of the GPU; found --backend cpu; add --backend gpu, or leave --rung out");
  const bool use_nccl = o.parallel.transport == "nccl";
  require(o.on_gpu() || !use_nccl,
          "[--transport] nccl carries messages of GPUs; found --backend cpu; add --backend gpu, or use mpi");
  if (!o.on_gpu()) return;
  const std::string instead = "; leave it out, or use --backend cpu";
  const std::pair<const char*, const char*> absent[] = {
      {"--trace-rows", "shows no single rows"},
      {"--steps", "shows no state between steps"},
      {"--threads", "has streams, not threads"},
      {"--link-gbps", "has links as fast as its memory"},
      {"--link-latency-us", "has links as fast as its memory"},
  };
  for (const auto& [name, reason] : absent)
    require(command.count(name) == 0, "[--backend] the GPU version ", reason, "; found ", name, instead);
  require(use_nccl || command.count("--transport") == 0,
          "[--backend] the GPU version has streams, not threads; found --transport ", o.parallel.transport,
          instead, ", or use nccl");
  require(o.problem.softcap == 0, "[--backend] scores are not capped on the GPU; found --softcap ",
          o.problem.softcap, instead);
  require(dtype != Dtype::f64,
          "[--backend] numbers are stored as bf16, f16 or f32 on the GPU; found f64; choose another type, or "
          "use --backend cpu");
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
