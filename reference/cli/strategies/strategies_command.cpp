#include <fmt/core.h>

#include <algorithm>

#include "reference/cli/args/make_problem.h"
#include "reference/cli/args/options.h"
#include "reference/cli/args/pair_terms.h"
#include "reference/cli/args/path_conflicts.h"
#include "reference/cli/args/rule.h"
#include "reference/cli/commands.h"
#include "reference/cli/output/json_output.h"
#include "reference/cli/strategies/comparison.h"
#include "reference/definition/input/device_count.h"

namespace ringattn::cli {

namespace {

struct StrategiesOptions {
  ProblemOptions problem;
  ParallelOptions parallel;
  int group = 2;
  double ns_per_pair = 1;
  bool backward = false;
  std::optional<std::filesystem::path> json;  // a file, or "-"
};

template <class T>
int compare(const StrategiesOptions& o, const InputSource& source) {
  const OwnedProblem<T> inputs = make_problem<T>(o.problem, source);
  CostModel cost = o.parallel.cost_model();
  cost.ns_per_pair = o.ns_per_pair;
  JsonOutput json(o.json);
  const std::vector<StrategyRow> rows =
      compare_strategies(inputs, o.parallel.ring_options(), o.group, o.backward, cost);

  std::string links =
      fmt::format("one link out of each device, {} Gbit/s and {} us", cost.link_gbps, cost.link_latency_us);
  if (cost.two_way_devices > 0) links += ", for each direction";
  if (cost.devices_per_node > 0)
    links += fmt::format("; between nodes of {} devices {} Gbit/s and {} us", cost.devices_per_node,
                         cost.network_gbps, cost.network_latency_us);
  const std::string text = fmt::format(
      "{} queries, {} keys, {} query heads, {} K/V heads; {} devices, {}; forward{}\n"
      "modelled machine: {} ns for a visible pair of query and key of one head; "
      "{}\n\n{}",
      inputs.Q.shape().S, inputs.K.shape().S, inputs.Q.shape().H, inputs.K.shape().H, o.parallel.devices,
      o.parallel.layout, o.backward ? " and backward" : "", cost.ns_per_pair, links, table(rows));
  json.write(text, to_json(rows));
  const bool exact = std::all_of(rows.begin(), rows.end(),
                                 [](const StrategyRow& row) { return row.exact || !row.refusal.empty(); });
  return exact ? 0 : 1;
}

int run(const Command& command, const StrategiesOptions& o) {
  check_option_conflicts(command, o.problem);
  std::vector<PathOption> read{{"--input", o.problem.input}};
  for (const std::filesystem::path& text : o.problem.text) read.push_back({"--text", text});
  require_distinct_paths("strategies", read, {{"--json", o.json}});
  const InputSource source(o.problem);
  reject_pair_terms("strategies", source);
  return source.dtype == Dtype::f64 ? compare<double>(o, source) : compare<float>(o, source);
}

}  // namespace

void add_strategies(Program& program) {
  Command* command = program.add_command(
      "strategies", "Run every exact strategy on one problem, and compare bytes, memory and modelled time");
  const auto o = std::make_shared<StrategiesOptions>();
  o->problem.seq = 1024, o->problem.heads = 8;
  o->parallel.devices = 8;
  o->parallel.link_gbps = 10;
  command->footer(
      "Examples:\n"
      "  ringattn strategies\n"
      "  ringattn strategies --devices 8 --group 4 --heads 16 --kv-heads 2 --causal --layout zigzag "
      "--backward\n"
      "  ringattn strategies --seq 4 --kv-seq 4096 --link-latency-us 20 --json -\n\n"
      "Figures are those of the device with the largest. All devices run in lockstep, so they are the same "
      "on every "
      "machine.");
  add_problem_options(*command, o->problem);
  add_sharding_options(*command, o->parallel);
  const std::string group = "Strategy";
  command->add_option("--group", o->group, "devices in a group of double-ring and usp")
      ->check(whole_number(1, max_devices))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  add_link_options(*command, o->parallel);
  command
      ->add_option("--ns-per-pair", o->ns_per_pair,
                   "nanoseconds for one visible pair of query and key of one head; 2.5 times as many in the "
                   "backward pass")
      ->check(nonnegative_number())
      ->type_name("X")
      ->capture_default_str()
      ->group("Links");
  command->add_flag("--backward", o->backward, "compute gradients too")->group("Results");
  add_json_option(*command, o->json);
  command->action([command, o] { return run(*command, *o); });
}

}  // namespace ringattn::cli
