#include "visualizer/session/run_fields.h"

#include <cmath>
#include <limits>
#include <set>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/trace/export/json_text.h"
#include "visualizer/run/hop_ratio.h"

namespace ringattn::viz {

RunConfig parse_run(const Json& run) {
  static const std::set<std::string> known = {
      "title",       "devices",      "seq",         "kv_seq",      "heads",     "kv_heads",    "dim",
      "v_dim",       "layout",       "causal",      "window_left", "rotate",    "overlap",     "backward",
      "dtype",       "seed",         "score_scale", "hop",         "slow_link", "slow_factor", "scores",
      "values",      "fault",        "text",        "decimals",    "tflops",    "gbytes",      "block_tokens",
      "long_tokens", "long_devices", "prompt",      "strategy",    "group"};
  for (const auto& [key, value] : run.items())
    require(known.count(key) > 0, "[scene] a run must have known fields only; found ", in_quotes(key),
            "; see visualizer/scenes for examples");
  RunConfig config;
  config.devices = run.value("devices", 4);
  config.queries = run.value("seq", Index{16});
  config.keys = run.value("kv_seq", config.queries);
  config.heads = run.value("heads", Index{1});
  config.kv_heads = run.value("kv_heads", config.heads);
  config.dim = run.value("dim", Index{4});
  config.v_dim = run.value("v_dim", config.dim);
  config.layout = parse_layout(run.value("layout", "contiguous"));
  config.causal = run.value("causal", false);
  config.window_left = run.value("window_left", Index{-1});
  const std::string travels = run.value("rotate", "kv");
  require(travels == "kv" || travels == "q", "[run] rotate must be kv or q; found ", in_quotes(travels));
  config.rotate = travels == "q" ? Rotation::q : Rotation::kv;
  config.strategy = parse_strategy(run.value("strategy", "ring"));
  config.group = run.value("group", 0);
  config.overlap = run.value("overlap", true);
  config.backward = run.value("backward", false);
  config.dtype = run.value("dtype", "f64");
  config.seed = run.value("seed", std::uint64_t{1});
  config.score_scale = run.value("score_scale", 1.0);
  config.decimals = run.value("decimals", -1);
  config.slow_link = run.value("slow_link", -1);
  config.slow_factor = run.value("slow_factor", 1.0);
  config.scores = run.value("scores", std::vector<double>{});
  config.values = run.value("values", std::vector<double>{});
  config.fault = run.value("fault", "");
  config.text = run.value("text", "");
  config.prompt = run.value("prompt", "");
  config.sequence = {run.value("long_tokens", std::int64_t{0}), run.value("long_devices", 1)};
  config.cost.ns_per_pair = 10;
  set_hop_ratio(config, run.value("hop", 0.5));
  config.machine = {run.value("tflops", 0.0), run.value("gbytes", 0.0), run.value("block_tokens", 0.0)};
  use_machine(config);
  return config;
}

std::map<std::string, std::string> run_fields(const RunConfig& c) {
  const auto boolean = [](bool value) { return value ? "true" : "false"; };
  return {{"devices", std::to_string(c.devices)},
          {"seq", std::to_string(c.queries)},
          {"dim", std::to_string(c.dim)},
          {"layout", name(c.layout)},
          {"causal", boolean(c.causal)},
          {"window_left", std::to_string(c.window_left)},
          {"rotate", c.rotate == Rotation::q ? "q" : "kv"},
          {"strategy", std::string(name(c.strategy))},
          {"group", std::to_string(c.group)},
          {"overlap", boolean(c.overlap)},
          {"backward", boolean(c.backward)},
          {"dtype", c.dtype},
          {"seed", std::to_string(c.seed)},
          {"score_scale", json_number(c.score_scale)},
          {"hop", json_number(hop_ratio(c))},
          {"tflops", json_number(c.machine.tflops)},
          {"gbytes", json_number(c.machine.gbytes)},
          {"block_tokens", json_number(c.machine.tokens)},
          {"long_tokens", std::to_string(c.sequence.tokens)},
          {"long_devices", std::to_string(c.sequence.devices)},
          {"fault", c.fault},
          {"text", c.text}};
}

bool is_run_field(const std::string& name) { return run_fields({}).count(name) > 0; }

namespace {

Json parse_field(const std::string& field, const std::string& value) {
  static const std::set<std::string> words = {"layout", "rotate", "strategy", "dtype", "fault", "text"},
                                     booleans = {"causal", "overlap", "backward"},
                                     reals = {"score_scale", "hop", "tflops", "gbytes", "block_tokens"};
  if (words.count(field) > 0) return value;
  Json parsed = Json::parse(value, nullptr, false);
  if (booleans.count(field) > 0) {
    require(parsed.is_boolean(), "[run] ", field, " must be true or false; found ", in_quotes(value));
  } else if (reals.count(field) > 0) {
    require(parsed.is_number(), "[run] ", field, " must be a number; found ", in_quotes(value));
  } else {
    constexpr double most = std::numeric_limits<int>::max();
    require(parsed.is_number_integer() && std::abs(parsed.get<double>()) <= most, "[run] ", field,
            " must be a whole number of at most 2147483647 in size; found ", in_quotes(value));
  }
  return parsed;
}

}  // namespace

RunConfig run_from_fields(const std::map<std::string, std::string>& fields) {
  Json run;
  for (const auto& [field, value] : fields) run[field] = parse_field(field, value);
  RunConfig config = parse_run(run);
  completed(config);
  return config;
}

}  // namespace ringattn::viz
