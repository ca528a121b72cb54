#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reference/trace/trace_header.h"
#include "reference/ring/ring_attention.h"

namespace ringattn::viz {

// A small run of the engine, and everything that can be turned about it.
struct RunConfig {
  int devices = 4;
  Index queries = 16, keys = 16, heads = 1, kv_heads = 1, dim = 4, v_dim = 4;
  Layout layout = Layout::contiguous;
  bool causal = false;
  Index window_left = -1;  // the furthest distance of a key before its query; -1: unlimited
  Rotation rotate = Rotation::kv;
  bool overlap = true;
  bool backward = false;
  std::string dtype = "f64";  // or "f32"
  std::uint64_t seed = 1;
  double score_scale = 1;  // multiplies the scores

  CostModel cost;          // of the virtual clock; live runs have links that are really so slow
  int slow_link = -1;      // from this device to the next; -1: none
  double slow_factor = 1;  // how much slower it is, at least 1

  // One query row of one element, 1, against keys of one element each: the scores are the keys. And what they
  // read, (keys, v_dim), row by row; empty: drawn from the seed
  std::vector<double> scores, values;

  // Words that attend to equal words, one token each
  std::string text;

  // Of a state: "no_rescale", "no_maximum", "masked_row_nan", "partials_bf16"; of a link: "stale", "torn",
  // "lost", "twice", "all_send_first"; empty: none
  std::string fault;
};

// The words of its text, as they are written
std::vector<std::string> words_of(const RunConfig& config);

// The same run with the extents that its scores or its text give it. Throws BadInput where there is no such
// run
RunConfig completed(const RunConfig& config);

// Of a completed run:

TraceHeader header_of(const RunConfig& config);
RingOptions ring_of(const RunConfig& config);

// The costs of each device and of the link from it to the next
std::vector<CostModel> costs_of(const RunConfig& config);
CostModel slowed(CostModel link, double factor);

}  // namespace ringattn::viz
