#pragma once

#include "visualizer/session/parameters.h"

namespace ringattn::viz {

// The parameters of the machine whose transfers and arithmetic the scene `hide` compares
const std::vector<Parameter>& machine_parameters();

}  // namespace ringattn::viz
