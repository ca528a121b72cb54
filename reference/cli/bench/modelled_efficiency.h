#pragma once

#include "reference/ring/ring_attention.h"

namespace ringattn::cli {

// How well a layout balances attention over devices that wait for one another at each step:
//   efficiency = mean_device(sum_step time) / sum_step(max_device time)
// Each time is the smallest thread CPU time of a real block over several passes in lockstep, so the result does not
// depend on the number of cores.
double modelled_efficiency(const Problem<float>& problem, Layout layout, int devices, int passes);

}  // namespace ringattn::cli
