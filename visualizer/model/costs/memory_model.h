#pragma once

#include <string_view>
#include <vector>

#include "visualizer/model/moment.h"

namespace ringattn::viz {

// Memory that a device has allocated and not yet freed.
struct Allocation {
  std::string_view what;
  std::int64_t bytes = 0;
  EventId since;      // the alloc event
  bool slot = false;  // for travelling blocks
  int block = -1;     // owner of the block in this slot; -1: not a slot, or an empty slot
};

struct DeviceMemory {
  std::vector<Allocation> held;          // in the order of allocation
  std::vector<Allocation> held_at_peak;  // if the device has freed all of it
  std::int64_t bytes = 0;                // sum over held
  std::int64_t peak = 0;                 // largest sum until now
  EventId peak_since;                    // the alloc event that reached it
};

// Whether a device with this memory attends: it has a tile of scores. Before and after an exchange of heads, the rows of
// the device itself have the names of the tensors with which it attends
bool attends(const std::vector<Allocation>& held);

// The memory of each device at a moment, from its alloc and free events
std::vector<DeviceMemory> memory(const Recording& recording, const Moment& moment);

// Bytes computed by formula; no run has measured them.
struct ComputedMemory {
  double inputs_and_output = 0;  // Q K V O
  double scores = 0;             // the whole score matrix

  double bytes() const { return inputs_and_output + scores; }
};

// The memory of a single device that materializes the whole score matrix of this run, in the data type of the
// arithmetic
ComputedMemory naive_memory(const TraceHeader& header);

// One head of a long sequence. A device of the ring holds its shard of Q, two slots for K and V, the state (m, l, O)
// and one tile of scores. Q, K and V take 2 bytes per element; m, l, O and the scores take 4.
constexpr double long_tokens = 1 << 20, long_head_dim = 128;
double long_ring_memory(int devices);
double long_naive_memory();
// A single device that computes block by block, as FlashAttention does: the whole sequence, and one tile of scores
double long_flash_memory();

}  // namespace ringattn::viz
