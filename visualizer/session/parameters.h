#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// A property of a run that the user can step up and down.
struct Parameter {
  std::string id, title;
  std::string (*value)(const RunConfig&);
  void (*adjust)(RunConfig&, int direction);
  // A slider: the place of the value from 0 to 1, and the value at a place; null: no slider
  double (*place)(const RunConfig&) = nullptr;
  void (*slide)(RunConfig&, double place) = nullptr;
};

// The tables of parameters: "run" of free play, "machine", on which a run takes its
// modelled time, and "sequence", for which a run stands. Empty: unknown
const std::vector<Parameter>& parameters(std::string_view table = "run");

}  // namespace ringattn::viz
