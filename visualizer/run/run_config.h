#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reference/strategies/strategy.h"
#include "reference/trace/trace_header.h"
#include "visualizer/model/costs/long_sequence.h"
#include "visualizer/model/costs/machine.h"

namespace ringattn::viz {

// The configuration of a small run of the engine.
struct RunConfig {
  int devices = 4;
  Index queries = 16, keys = 16, heads = 1, kv_heads = 1, dim = 4, v_dim = 4;
  Layout layout = Layout::contiguous;
  bool causal = false;
  Index window_left = -1;  // largest distance of a visible key before its query; -1: unlimited
  Rotation rotate = Rotation::kv;
  Strategy strategy = Strategy::ring;
  int group = 0;  // devices in a node or a group, if the strategy has groups of a given size
  bool overlap = true;
  bool backward = false;
  std::string dtype = "f64";  // or "f32"
  std::uint64_t seed = 1;
  double score_scale = 1;  // multiplies the scores
  int decimals =
      -1;  // Q, K, V and dO are rounded to as many, for arithmetic by hand, and dlse is 0; -1: neither

  CostModel cost;          // of the virtual clock; the links of live runs really are this slow
  RingStep machine;        // if known, the costs follow from it
  LongSequence sequence;   // if known, that for which this small run stands
  int slow_link = -1;      // the device whose link to the next one is slower; -1: none
  double slow_factor = 1;  // factor on its transfer time, at least 1

  // Scores given directly: one query with the single element 1 and one key with a single element for each score.
  // Values, (keys, v_dim) row by row; empty: random
  std::vector<double> scores, values;

  // A text, one token per word; equal words attend to each other. With a prompt there is one query, the word that
  // follows the prompt, and it attends to the words of the text that have the same words before them
  std::string text, prompt;

  // Fault of the state: "no_rescale", "no_maximum", "masked_row_nan", "partials_bf16"; or of a link: "stale", "torn",
  // "lost", "twice", "all_send_first"; empty: none
  std::string fault;
};

// The words of the text, as written
std::vector<std::string> words_of(const RunConfig& config);

// The same run with the sizes that follow from its scores or its text. Throws BadInput if the configuration is invalid
RunConfig completed(const RunConfig& config);

// The functions below expect a completed configuration

TraceHeader header_of(const RunConfig& config);
StrategyOptions strategy_of(const RunConfig& config);

// The cost model of each device and of its link to the next one
std::vector<CostModel> costs_of(const RunConfig& config);
CostModel slowed(CostModel link, double factor);

}  // namespace ringattn::viz
