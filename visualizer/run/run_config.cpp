#include "visualizer/run/run_config.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "reference/cli/recall/induction_head.h"
#include "reference/definition/input/bad_input.h"
#include "reference/faults/fault.h"
#include "reference/trace/export/json_text.h"

namespace ringattn::viz {

namespace {

// Limits within which a run can be shown and takes the engine only a moment
constexpr int max_devices = 64;
constexpr std::size_t max_words = 64;
constexpr Index max_pairs = Index{1} << 22, max_rows = 4096, widest = 256, max_heads = 64;

void require_between(const char* what, Index value, Index least, Index most) {
  require(value >= least && value <= most, "[run] ", what, " must be from ", least, " to ", most, "; found ",
          value);
}

void check(const RunConfig& c) {
  require_between("devices", c.devices, 1, max_devices);
  require_between("queries", c.queries, 1, max_rows);
  require_between("keys", c.keys, 1, max_rows);
  require_between("heads", c.heads, 1, max_heads);
  require_between("kv_heads", c.kv_heads, 1, max_heads);
  require_between("dim", c.dim, 1, widest);
  require_between("v_dim", c.v_dim, 1, widest);
  require_between("window_left", c.window_left, -1, max_rows);
  require(c.sequence.tokens >= 0 && c.sequence.tokens <= LongSequence::most_tokens && c.sequence.devices >= 1,
          "[run] long_tokens must be from 0 to ", LongSequence::most_tokens,
          ", and long_devices at least 1; found ", c.sequence.tokens, " and ", c.sequence.devices);
  require_between("decimals", c.decimals, -1, 15);
  require_between("slow_link", c.slow_link, -1, c.devices - 1);
  require(c.heads % c.kv_heads == 0, "[run] heads must be a multiple of kv_heads; found ", c.heads, " and ",
          c.kv_heads);
  require(c.queries * c.keys * c.heads <= max_pairs, "[run] a run with traced rows may have at most ",
          max_pairs, " scores; found ", c.queries * c.keys * c.heads,
          "; choose fewer queries, keys or heads");
  require(c.dtype == "f64" || c.dtype == "f32", "[run] dtype must be f64 or f32; found ", c.dtype);
  require(std::isfinite(c.score_scale), "[run] score_scale must be a finite number; found ", c.score_scale);
  require(c.slow_factor >= 1 && std::isfinite(c.slow_factor),
          "[run] slow_factor must be finite and at least 1; found ", c.slow_factor);
  for (const double cost : {c.cost.ns_per_pair, c.cost.link_gbps, c.cost.link_latency_us, c.machine.tflops,
                            c.machine.gbytes, c.machine.tokens})
    require(cost >= 0 && std::isfinite(cost), "[run] costs must be finite and not negative; found ", cost);
}

void check_strategy_of(const RunConfig& c) {
  if (c.strategy == Strategy::ring) return;
  const std::string_view strategy = name(c.strategy);
  require(c.strategy != Strategy::automatic,
          "[run] a picture shows one strategy; found auto, which chooses one; choose ring, and what rotates");
  require(c.fault.empty(), "[run] the engine simulates faults in a ring only; found the strategy ", strategy,
          " and the fault ", c.fault, "; remove one of the two");
  require(c.strategy != Strategy::tree || c.rotate == Rotation::kv,
          "[run] in a tree states travel; found Q as the tensor that rotates; remove it");
  check_strategy(strategy_of(c), c.heads, c.kv_heads, c.backward);
}

void complete_scores(RunConfig& c) {
  const auto keys = static_cast<Index>(c.scores.size()), values = static_cast<Index>(c.values.size());
  require(values % keys == 0, "[run] the number of values must be a multiple of the ", keys,
          " scores; found ", values, " values");
  c.queries = c.heads = c.kv_heads = c.dim = 1;
  c.keys = keys;
  if (values > 0) c.v_dim = values / keys;
  for (const std::vector<double>* numbers : {&c.scores, &c.values})
    for (const double number : *numbers)
      require(std::isfinite(number), "[run] scores and values must be finite; found ", number);
}

void complete_text(RunConfig& c) {
  const std::size_t words = words_of(c).size();
  require(words >= 1 && words <= max_words, "[run] the text must have 1 to ", max_words, " words; found ",
          words);
  c.queries = c.keys = static_cast<Index>(words);
  if (c.prompt.empty()) return;
  // The shapes and the scale of the command `ringattn recall`
  c.queries = c.heads = c.kv_heads = 1;
  c.dim = c.v_dim = cli::InductionHead::dim;
  c.score_scale = cli::InductionHead::softmax_scale * std::sqrt(static_cast<double>(c.dim));
}

}  // namespace

std::vector<std::string> words_of(const RunConfig& config) {
  std::istringstream text(config.text);
  std::vector<std::string> words;
  for (std::string word; text >> word;) words.push_back(word);
  return words;
}

RunConfig completed(const RunConfig& config) {
  RunConfig c = config;
  require(c.scores.empty() || c.text.empty(),
          "[run] give scores or a text, not both; found both; remove one");
  require(c.prompt.empty() || !c.text.empty(),
          "[run] a prompt requires a text; found a prompt alone; add the text");
  require(c.values.empty() || !c.scores.empty(),
          "[run] values require scores; found values alone; add the scores");
  if (!c.scores.empty()) complete_scores(c);
  if (!c.text.empty()) complete_text(c);
  check(c);
  check_strategy_of(c);
  parse_fault(c.fault, c.devices, c.rotate);
  return c;
}

TraceHeader header_of(const RunConfig& c) {
  TraceHeader header;
  header.engine_version = RINGATTN_VERSION;
  header.devices = c.devices;
  header.Sq = c.queries, header.Skv = c.keys, header.heads = c.heads, header.kv_heads = c.kv_heads;
  header.head_dim = c.dim, header.v_dim = c.v_dim;
  header.layout = name(c.layout);
  header.rotate = c.rotate == Rotation::kv ? "kv" : "q";
  header.strategy = name(c.strategy), header.group = c.group;
  header.dtype = c.dtype;
  header.overlap = c.overlap;
  if (c.backward) header.passes.push_back("backward");
  header.cost = c.cost;

  // The same options as in a trace of `ringattn run`
  std::map<std::string, std::string> options{
      {"batch", "1"},
      {"devices", std::to_string(c.devices)},
      {"dim", std::to_string(c.dim)},
      {"dtype", c.dtype},
      {"heads", std::to_string(c.heads)},
      {"kv-heads", std::to_string(c.kv_heads)},
      {"kv-seq", std::to_string(c.keys)},
      {"layout", header.layout},
      {"rotate", header.rotate},
      {"seed", std::to_string(c.seed)},
      {"seq", std::to_string(c.queries)},
      {"v-dim", std::to_string(c.v_dim)},
  };
  if (c.strategy == Strategy::ring) options["trace-rows"] = "all";
  if (c.strategy != Strategy::ring) options["strategy"] = header.strategy;
  if (c.group > 0) options["group"] = std::to_string(c.group);
  if (c.causal) options["causal"] = "true";
  if (c.window_left >= 0) options["window"] = std::to_string(c.window_left) + ",-1";
  if ((c.causal || c.window_left >= 0) && c.queries != c.keys) options["causal-align"] = "bottom-right";
  if (c.backward) options["backward"] = "true";
  if (!c.overlap) options["no-overlap"] = "true";
  if (c.score_scale != 1 || !c.scores.empty())
    options["softmax-scale"] = json_number(c.score_scale / std::sqrt(static_cast<double>(c.dim)));
  if (c.cost.link_gbps > 0) options["link-gbps"] = json_number(c.cost.link_gbps);
  if (c.cost.link_latency_us > 0) options["link-latency-us"] = json_number(c.cost.link_latency_us);
  header.options.assign(options.begin(), options.end());
  return header;
}

StrategyOptions strategy_of(const RunConfig& c) {
  StrategyOptions options{c.strategy, c.group, {}};
  options.ring.devices = c.devices;
  options.ring.layout = c.layout;
  options.ring.rotate = c.rotate;
  options.ring.overlap = c.overlap;
  options.ring.traced_rows.all = c.strategy == Strategy::ring;
  return options;
}

CostModel slowed(CostModel link, double factor) {
  link.link_gbps /= factor;
  link.link_latency_us *= factor;
  return link;
}

std::vector<CostModel> costs_of(const RunConfig& c) {
  std::vector<CostModel> costs(static_cast<std::size_t>(c.devices), c.cost);
  if (c.slow_link >= 0) {
    CostModel& slow = costs[static_cast<std::size_t>(c.slow_link)];
    slow = slowed(slow, c.slow_factor);
  }
  return costs;
}

}  // namespace ringattn::viz
