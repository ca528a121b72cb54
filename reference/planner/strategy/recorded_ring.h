#pragma once

#include "reference/planner/strategy/ring_pass.h"
#include "reference/trace/recorder.h"

namespace ringattn::planner {

// Records the events of a planned pass around the ring: those of a traced run of the engine (ring/device.h), without
// rows of softmax states. One recorder for each device.
void record_ring(const RingPass& pass, const AttentionShape& shape, Layout layout, Recorders& recorders,
                 bool overlap);

}  // namespace ringattn::planner
