#pragma once

#include <string_view>
#include <vector>

#include "visualizer/model/moment.h"

namespace ringattn::viz {

// Memory that a device has taken and not yet given back.
struct Allocation {
  std::string_view what;
  std::int64_t bytes = 0;
  EventId since;   // the alloc event
  int block = -1;  // whose block stands in it; -1: it is no slot, or an empty one
};

struct DeviceMemory {
  std::vector<Allocation> held;  // in the order in which it was taken
  std::int64_t bytes = 0;     // of all of it
  std::int64_t peak = 0;      // the most that it has held until now
  EventId peak_since;         // the alloc event that made it so
};

// What each device holds at a moment, as its alloc and free events say
std::vector<DeviceMemory> memory(const Recording& recording, const Moment& moment);

// Bytes, by formulas: nobody has run this.
struct ComputedMemory {
  double inputs_and_output = 0;  // Q K V O
  double scores = 0;             // all of them at once

  double bytes() const { return inputs_and_output + scores; }
};

// What one device would hold that makes the whole matrix of scores of this run, in the numbers that the
// arithmetic uses
ComputedMemory naive_memory(const TraceHeader& header);

// One head of a long sequence: a device of the ring holds its share of Q, two slots for K and V, m, l, O and
// one tile of scores; Q, K and V in 2 bytes a number, m, l, O and scores in 4
constexpr double long_tokens = 1 << 20, long_head_dim = 128;
double long_ring_memory(int devices);
double long_naive_memory();

}  // namespace ringattn::viz
