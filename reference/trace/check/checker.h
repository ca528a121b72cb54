#pragma once

#include <span>
#include <string>
#include <vector>

#include "reference/trace/trace_header.h"

namespace ringattn {

// A trace that is taken while the run is going has begins without ends, messages under way, memory still
// held. Of each device it has all events up to some point.
enum class TraceExtent { complete, unfinished };

// What a run can never have done, a sentence each, empty for a good trace: time runs forwards and a lane does
// one thing at a time; causes come first; each message is received once, as it was sent; at step t a device
// attends to the block that started on device - t, and meets each block once; memory is given back; rows of
// the softmax state hand on to the next block what the last one left, with m growing and l and O shrunk by
// exp(m_before - m_after). Stops at the hundredth sentence. The order of _events_ is of no matter.
std::vector<std::string> broken_invariants(const TraceHeader& header, std::span<const Event> events,
                                           TraceExtent extent = TraceExtent::complete);

}  // namespace ringattn
