#pragma once

#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// The transfer time of a block to the next device, as a multiple of the compute time of a pair of blocks without mask.
// 0:
// transfers take no time.
double hop_ratio(const RunConfig& config);

// Sets the speed of the links so that hop_ratio(config) is _hop_
void set_hop_ratio(RunConfig& config, double hop);

// Sets the costs so that a step and a hop of this small run take as long as on its machine, if that is known
void use_machine(RunConfig& config);

}  // namespace ringattn::viz
