#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

// What must be known of a run to understand its events: the first line of a trace file.
struct TraceHeader {
  static constexpr int current_schema = 1;

  int schema = current_schema;
  std::string engine_version;

  int devices = 1;
  std::int64_t batch = 1, Sq = 0, Skv = 0, heads = 1, kv_heads = 1, head_dim = 0, v_dim = 0;
  std::string layout = "contiguous";  // or "zigzag", "striped"
  std::string rotate = "kv";          // what travels ahead; or "q"
  std::string dtype = "f64";          // of the inputs; arithmetic is float64 for f64, else float32
  bool overlap = true;                // blocks are sent on before they are used
  std::string transport = "threads";

  // In the order in which each device goes round the ring, a run event each that names it: "forward",
  // "backward"
  std::vector<std::string> passes = {"forward"};
  CostModel cost;  // where devices or links are not equally fast, of the fastest

  // The options of the command that ran it, names and values as typed
  std::vector<std::pair<std::string, std::string>> options;

  bool queries_rotate() const { return rotate == "q"; }
};

}  // namespace ringattn
