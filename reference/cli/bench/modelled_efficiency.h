#pragma once

#include "reference/ring/ring_attention.h"

namespace ringattn::cli {

// How well a layout balances causal attention over devices that wait for one another at each step: the mean
// over the devices of their total time, divided by the sum over the steps of the slowest device's. The times
// are those of real blocks, each the smallest thread CPU time of several passes in lockstep, so they do not
// depend on the number of cores.
double modelled_efficiency(const Problem<float>& problem, Layout layout, int devices, int passes);

}  // namespace ringattn::cli
