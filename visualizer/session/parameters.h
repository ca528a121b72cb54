#pragma once

#include <string>
#include <vector>

#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// Something about a run that can be turned up and down.
struct Parameter {
  std::string id, title;
  std::string (*value)(const RunConfig&);
  void (*adjust)(RunConfig&, int direction);
};

const std::vector<Parameter>& parameters();

}  // namespace ringattn::viz
