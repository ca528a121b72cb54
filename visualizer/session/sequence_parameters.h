#pragma once

#include "visualizer/session/parameters.h"

namespace ringattn::viz {

// The parameters of the long sequence whose memory the scene `memory` shows
const std::vector<Parameter>& sequence_parameters();

}  // namespace ringattn::viz
