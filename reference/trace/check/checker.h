#pragma once

#include <span>
#include <string>
#include <vector>

#include "reference/trace/trace_header.h"

namespace ringattn {

// An unfinished trace is a snapshot of a run in progress: it has begins without ends, messages in transit and memory
// that is still held. For each device it holds all events up to some point.
enum class TraceExtent { complete, unfinished };

// Checks a trace against the invariants of every correct run, and returns one sentence for each violation; empty for a
// good trace. At most 100 sentences are returned. Events may come in any order. The invariants:
//   time      virtual time does not go backwards; spans of one lane do not overlap; causes precede their effects
//   messages  each message is received exactly once, unchanged, and not before it can arrive
//   schedule  in a ring, device r holds the block of device (r - t) mod devices at step t; with every strategy a device
//             attends to each block that it must attend to once
//   memory    everything that is allocated is freed
//   rows      each update of a softmax state continues from the previous one; m does not decrease, l and O are rescaled
//             by exp(m_before - m_after), and the recorded scores account for m and l
std::vector<std::string> broken_invariants(const TraceHeader& header, std::span<const Event> events,
                                           TraceExtent extent = TraceExtent::complete);

}  // namespace ringattn
