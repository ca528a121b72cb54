#pragma once

#include "visualizer/session/parameters.h"

namespace ringattn::viz {

const std::vector<Parameter>& machine_parameters();

}  // namespace ringattn::viz
