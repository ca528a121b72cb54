#pragma once

#include <sstream>

#include "reference/definition/random.h"
#include "reference/trace/export/json_lines.h"
#include "visualizer/model/recording.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// A random configuration without a fault
inline RunConfig random_config(Random& random, int max_devices = 6) {
  RunConfig c;
  c.devices = 1 + static_cast<int>(random.below(max_devices));
  c.queries = 1 + random.below(12);
  c.keys = random.below(2) ? c.queries : 1 + random.below(12);
  c.kv_heads = 1 + random.below(2);
  c.heads = c.kv_heads * (1 + random.below(2));
  c.dim = 1 + random.below(4), c.v_dim = 1 + random.below(3);
  c.layout = static_cast<Layout>(random.below(3));
  c.causal = random.below(2);
  c.window_left = random.below(3) ? -1 : random.below(6);
  c.rotate = random.below(2) ? Rotation::kv : Rotation::q;
  c.overlap = random.below(2), c.backward = random.below(2);
  c.dtype = random.below(2) ? "f64" : "f32";
  c.seed = random.bits();
  c.score_scale = random.below(4) ? 1 : 300;
  c.cost = {.ns_per_pair = 1 + random.uniform(),
            .link_gbps = static_cast<double>(random.below(3)),
            .link_latency_us = static_cast<double>(random.below(3)) / 20};
  c.slow_link = static_cast<int>(random.below(c.devices + 1)) - 1;
  c.slow_factor = 1 + static_cast<double>(random.below(3));
  if (random.below(5) == 0) c.text = "the cat saw the dog and The dog, saw THE cat";
  if (c.text.empty() && random.below(5) == 0) c.scores = {1, 3, -2, 1000, 7}, c.values = {1, 2, 3, 4, 5};
  return c;
}

// One event as a line of a trace file, without wall times
inline std::string line_of(const Recording& recording, const Event& event) {
  std::ostringstream lines;
  write_json_lines(lines, recording.header(), std::span(&event, 1), WallTimes::omit);
  const std::string text = lines.str();
  return text.substr(text.find('\n') + 1);
}

inline std::string lines_of(const Recording& recording) {
  std::string lines;
  for (const Event& event : recording.events()) lines += line_of(recording, event);
  return lines;
}

}  // namespace ringattn::viz
