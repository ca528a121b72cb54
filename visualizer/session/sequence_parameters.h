#pragma once

#include "visualizer/session/parameters.h"

namespace ringattn::viz {

const std::vector<Parameter>& sequence_parameters();

}  // namespace ringattn::viz
