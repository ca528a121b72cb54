#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

// The parameters of a run that are needed to interpret its events: the first line of a trace file.
struct TraceHeader {
  static constexpr int current_schema = 1;

  int schema = current_schema;
  std::string engine_version;

  int devices = 1;
  std::int64_t batch = 1, Sq = 0, Skv = 0, heads = 1, kv_heads = 1, head_dim = 0, v_dim = 0;
  std::string layout = "contiguous";  // or "zigzag", "striped"
  std::string rotate = "kv";          // the operand that rotates; or "q"
  std::string strategy = "ring";      // or another name of strategies/strategy.h
  int group = 0;                      // devices in a node or a group, if the strategy has groups
  std::string dtype = "f64";  // storage type of the inputs; arithmetic is float64 for f64, else float32
  std::vector<double>
      sinks;            // of the query heads; empty: the softmax of a row has no other term than its keys
  bool overlap = true;  // blocks are sent to the next device before they are used
  std::string transport = "threads";

  // The passes around the ring in their order, "forward" or "backward"; each device has one run event for each pass
  std::vector<std::string> passes = {"forward"};
  CostModel cost;  // if devices or links differ, of the fastest one

  // The options of the command, names and values as typed
  std::vector<std::pair<std::string, std::string>> options;

  bool is_ring() const { return strategy == "ring"; }
  bool queries_rotate() const { return rotate == "q"; }
};

}  // namespace ringattn
