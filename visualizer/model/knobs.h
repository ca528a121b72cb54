#pragma once

#include <string>
#include <vector>

#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// Something about a run that can be turned up and down.
struct Knob {
  std::string id, title;
  std::string (*value)(const RunConfig&);
  void (*turn)(RunConfig&, int direction);
};

const std::vector<Knob>& knobs();

}  // namespace ringattn::viz
