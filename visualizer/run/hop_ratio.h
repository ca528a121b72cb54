#pragma once

#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// How long a block is under way from one device to the next, as a multiple of the arithmetic for a pair of
// blocks without mask; 0: no time.
double hop_ratio(const RunConfig& config);

// Gives the links the speed at which it takes so long
void set_hop_ratio(RunConfig& config, double hop);

}  // namespace ringattn::viz
