#pragma once

#include <string>
#include <vector>

#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// A property of a run that the user can step up and down.
struct Parameter {
  std::string id, title;
  std::string (*value)(const RunConfig&);
  void (*adjust)(RunConfig&, int direction);
};

const std::vector<Parameter>& parameters();

}  // namespace ringattn::viz
