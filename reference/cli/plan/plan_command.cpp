#include <fmt/ranges.h>

#include "reference/cli/args/path_conflicts.h"
#include "reference/cli/args/rule.h"
#include "reference/cli/commands.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/output/progress.h"
#include "reference/cli/plan/plan_tables.h"
#include "reference/definition/input/bad_input.h"
#include "reference/planner/machine/presets.h"
#include "reference/planner/plan_options.h"
#include "reference/planner/plan_trace.h"
#include "reference/planner/report/plan_report.h"
#include "reference/trace/export/json_lines.h"
#include "reference/trace/export/perfetto.h"

namespace ringattn::cli {

namespace {

struct PlanCommandOptions {
  planner::PlanOptions plan;
  bool presets = false;
  std::optional<std::filesystem::path> trace, json;
};

// Adds options to one group of --help.
class PlanOptionGroup {
 public:
  PlanOptionGroup(Command& command, std::string group) : command_(command), group_(std::move(group)) {}

  Option* count(const char* name, auto& variable, const char* description, std::uint64_t minimum = 1) {
    return command_.add_option(name, variable, description)
        ->check(whole_number(minimum, std::uint64_t{1} << 24))
        ->type_name("N")
        ->group(group_);
  }
  Option* number(const char* name, auto& variable, const char* description) {
    return command_.add_option(name, variable, description)
        ->check(nonnegative_number())
        ->type_name("X")
        ->group(group_);
  }
  Option* text(const char* name, std::string& variable, const std::string& description, const char* type) {
    return command_.add_option(name, variable, description)
        ->check(not_empty())
        ->type_name(type)
        ->group(group_);
  }
  Option* choice(const char* name, std::string& variable, const std::string& description,
                 const std::vector<std::string>& names) {
    const std::string values = fmt::format("{}: {}", description, fmt::join(names, ", "));
    return text(name, variable, values, "NAME")->check(one_of(names));
  }
  void flag(const char* name, bool& variable, const char* description) {
    command_.add_flag(name, variable, description)->group(group_);
  }

 private:
  Command& command_;
  std::string group_;
};

void add_model_options(Command& command, planner::PlanOptions& o) {
  PlanOptionGroup group(command, "Model");
  group.choice("--model", o.model, "preset", planner::names_of(planner::models()))->capture_default_str();
  group.count("--layers", o.layers, "layers (default: of the preset, as all below)");
  group.count("--width", o.width, "elements of a token between layers");
  group.count("--ffn", o.ffn, "inner width of the feed-forward network", 0);
  group.count("--ffn-matrices", o.ffn_matrices, "its matrices: 3 if it is gated, else 2");
  group.count("--heads", o.heads, "query heads");
  group.count("--kv-heads", o.kv_heads, "K/V heads");
  group.count("--dim", o.dim, "head dimension");
  group.count("--vocabulary", o.vocabulary, "tokens of the vocabulary", 0);
  group.count("--positions", o.positions, "longest sequence of the training, 0: not stated", 0);
}

void add_problem_options(Command& command, planner::PlanOptions& o) {
  PlanOptionGroup group(command, "Problem");
  group.text("--seq", o.seq, "tokens of a sequence; 128K is 131072, 1M is 1048576", "N")
      ->capture_default_str();
  group.text("--new-tokens", o.new_tokens, "of these, new ones behind cached ones (default: all)", "N");
  group.count("--batch", o.batch, "sequences in each ring")->capture_default_str();
  group.flag("--causal", o.causal, "mask keys after the query");
  group.flag("--training", o.training, "plan a step of training, with backward pass and Adam");
  group.choice("--dtype", o.dtype, "storage type of activations", {"bf16", "f16", "f32"})
      ->capture_default_str();
  group.number("--weight-bytes", o.weight_bytes, "bytes of a weight (default: of --dtype)");
  group.flag("--chunked-loss", o.chunked_loss, "compute logits and loss for 1024 tokens at a time");
}

void add_machine_options(Command& command, planner::PlanOptions& o) {
  PlanOptionGroup group(command, "Machine");
  group.count("--nodes", o.nodes, "nodes")->capture_default_str();
  group.count("--devices-per-node", o.devices_per_node, "devices of a node")->capture_default_str();
  group
      .count("--tp,--tensor-parallel", o.tensor_parallel,
             "devices of a node that share each layer; the others hold the sequence")
      ->capture_default_str();
  group.count("--fsdp", o.fsdp, "devices over which weights are sharded (default: in training all, else 1)");
  group.choice("--chip", o.chip, "preset", planner::names_of(planner::chips()))->capture_default_str();
  group.number("--chip-tflops", o.chip_tflops, "its peak, 10^12 operations a second");
  group.number("--chip-memory-gib", o.chip_memory_gib, "its memory in GiB");
  group.number("--chip-watts", o.chip_watts, "its power at full load");
  group
      .text("--link", o.link, "network of a device, a preset or one direction such as 50GB/s or 400Gb/s",
            "NAME|RATE")
      ->capture_default_str();
  group.text("--node-link", o.node_link, "the same inside a node (default: of the chip)", "NAME|RATE");
  group.number("--link-latency-us", o.link_latency_us, "latency of the network in microseconds");
  group.number("--node-link-latency-us", o.node_link_latency_us, "the same inside a node");
}

void add_strategy_options(Command& command, planner::PlanOptions& o) {
  PlanOptionGroup group(command, "Strategy");
  std::vector<std::string> strategies = planner::planned_strategy_names();
  strategies.push_back("all");
  group.choice("--strategy", o.strategy, "how the attention is distributed", strategies)
      ->capture_default_str();
  group.choice("--layout,--sharding", o.layout, "distribution of the rows (default: zigzag if causal)",
               layout_names());
  group.count("--ulysses", o.ulysses,
              "devices of a Ulysses group in usp (default: as many as suit node and heads)");
  command
      .add_negated_flag("--no-overlap", o.overlap,
                        "compute on each block before sending it, not during the transfer")
      ->group("Strategy");
}

void add_assumption_options(Command& command, planner::PlanOptions& o) {
  PlanOptionGroup group(command, "Assumptions");
  group.number("--chip-efficiency", o.chip_efficiency, "part of the peak that a chip reaches")
      ->capture_default_str();
  group.number("--link-efficiency", o.link_efficiency, "part of its rate that a link reaches")
      ->capture_default_str();
  group.number("--waiting-share", o.waiting_share, "power of a waiting chip, as a part of a busy one")
      ->capture_default_str();
  group.number("--pue", o.pue, "power usage effectiveness of the building")->capture_default_str();
}

// The planned run of one layer: JSON lines, and a file for Perfetto
void write_trace(const planner::PlanRequest& request, const std::filesystem::path& path) {
  OutputFile lines(path), perfetto(path.string() + ".perfetto.json");
  const planner::PlannedTrace trace = planner::planned_trace(request, request.strategies.front());
  write_json_lines(lines.stream(), trace.header, trace.events, WallTimes::omit);
  write_perfetto(perfetto.stream(), trace.events);
  lines.commit(), perfetto.commit();
}

int run(const PlanCommandOptions& o) {
  std::vector<PathOption> written{{"--trace", o.trace}, {"--json", o.json}};
  if (o.trace) written.push_back({"--trace (for Perfetto)", o.trace->string() + ".perfetto.json"});
  require_distinct_paths("plan", {}, written);
  JsonOutput json(o.json);
  if (o.presets) {
    json.write(presets_text(), planner::presets_json());
    return right;
  }
  const planner::PlanRequest request = o.plan.request();
  require(!o.trace || request.strategies.size() == 1,
          "[--trace] a trace shows one strategy; found --strategy all; give for example --strategy ring");
  StageLine progress("plan");
  progress.show("schedules of " + std::to_string(request.ring_devices()) + " devices");
  const planner::Plan plan = planner::make_plan(request);
  progress.clear();
  if (o.trace) write_trace(request, *o.trace);
  json.write(plan_text(plan), planner::to_json(plan));
  return right;
}

}  // namespace

void add_plan(Program& program) {
  Command* command = program.add_command(
      "plan",
      "Plan attention on real machines: whether it fits and hides, how long it takes, and its energy");
  const auto o = std::make_shared<PlanCommandOptions>();
  command->footer(
      "Examples:\n"
      "  ringattn plan --model llama3-8b --seq 1M --causal --training --nodes 4 --chip h100 --link ib400\n"
      "  ringattn plan --model llama3-405b --seq 128K --causal --tp 8 --nodes 2 --weight-bytes 1 --link "
      "rdma400\n"
      "  ringattn plan --seq 1M --causal --nodes 4 --link 100Gb/s --strategy ring --json plan.json\n"
      "  ringattn plan --model llama3-8b --layers 16 --seq 256K --chip h100 --chip-memory-gib 40\n"
      "  ringattn plan --seq 64K --causal --nodes 2 --strategy ring --trace plan.trace && ringviz "
      "plan.trace\n"
      "  ringattn plan --presets\n\n"
      "A rate needs its unit: GB/s are bytes, Gb/s are bits, both in one direction.");
  add_model_options(*command, o->plan);
  add_problem_options(*command, o->plan);
  add_machine_options(*command, o->plan);
  add_strategy_options(*command, o->plan);
  add_assumption_options(*command, o->plan);
  command->add_flag("--presets", o->presets, "list models, chips and links, with the source of each figure");
  command
      ->add_option("--trace", o->trace, "write the planned run of one layer with one --strategy as a trace")
      ->check(not_empty())
      ->type_name("FILE");
  add_json_option(*command, o->json);
  command->action([o] { return run(*o); });
}

}  // namespace ringattn::cli
