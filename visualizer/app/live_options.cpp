#include "visualizer/app/live_options.h"

#include "reference/cli/args/command.h"
#include "reference/definition/input/bad_input.h"
#include "visualizer/run/hop_ratio.h"
#include "visualizer/run/threaded_run.h"

namespace ringattn::viz {

namespace {

// Real time: half a second for a pair of blocks, and somewhat less for a hop
constexpr double step_ns = 0.5e9, hop_in_steps = 0.7;

}  // namespace

void LiveOptions::add_options(cli::Command& command) {
  const char* const group = "Live run";
  cli::Option* const live =
      command.add_flag("--live", wanted, "show a run in progress and release its devices step by step");
  live->group(group);
  const auto of_run = [&](cli::Option* option, const char* type) {
    option->group(group)->needs(live);
    if (*type) option->type_name(type)->capture_default_str();
  };
  of_run(command.add_option("--devices", config_.devices, "number of devices"), "P");
  of_run(command.add_option("--seq", config_.queries, "number of tokens"), "N");
  of_run(command.add_option("--dim", config_.dim, "head dimension"), "D");
  of_run(command.add_option("--layout", layout_, "layout: contiguous, striped or zigzag"), "NAME");
  of_run(command.add_option("--rotate", rotate_, "tensors that rotate: kv or q"), "WHAT");
  std::string names;
  for (const std::string& each : strategy_names())
    if (each != name(Strategy::automatic)) names += (names.empty() ? "" : ", ") + each;
  of_run(command.add_option("--strategy", strategy_, "how attention is distributed: " + names), "NAME");
  of_run(command.add_option("--group", config_.group, "devices in a node (double-ring) or a group (usp)"),
         "W");
  of_run(command.add_option("--heads", config_.heads, "number of heads"), "H");
  of_run(command.add_flag("--causal", config_.causal, "causal mask"), "");
  of_run(command.add_flag("--backward", config_.backward, "also run the backward pass"), "");
}

void LiveOptions::open(Session& session, const SessionOptions& options) const {
  require(
      !options.trace && options.scene.empty() && options.state.empty() && !options.beat,
      "[--live] a live run excludes a trace, --scene, --state and --beat; found one of them; leave it out");
  require(rotate_ == "kv" || rotate_ == "q", "[--rotate] must be kv or q; found ", rotate_);
  require(config_.devices >= 1 && config_.devices <= 64, "[--devices] must be 1 to 64; found ",
          config_.devices);
  require(config_.queries >= 1 && config_.queries <= 256, "[--seq] must be 1 to 256; found ",
          config_.queries);
  RunConfig config = config_;
  config.strategy = parse_strategy(strategy_);
  config.kv_heads = config.heads;
  config.keys = config.queries;
  config.v_dim = config.dim;
  config.layout = parse_layout(layout_);
  config.rotate = rotate_ == "q" ? Rotation::q : Rotation::kv;
  const double rows = static_cast<double>(config.queries) / config.devices;
  config.cost.ns_per_pair = step_ns / std::max(1.0, rows * rows);
  set_hop_ratio(config, hop_in_steps);
  options.apply_style(session);
  session.open_live(std::make_unique<ThreadedRun>(config), "Live");
}

}  // namespace ringattn::viz
