#pragma once

#include "reference/circular_memory/pooling.h"

namespace ringattn {

// The parts of a circular memory, in tokens or slots. circular_memory.h draws the path of a token through them.
struct MemoryOptions {
  Index sinks = 0;                 // the first tokens, kept for good
  Index window = 1;                // the most recent tokens
  Index heavy_hitters = 0;         // tokens that left the window, with the most attention so far
  Index pooled_slots = 0;          // slots that each hold several tokens, pooled
  Kernel kernel = mean_kernel(8);  // weights of the tokens of a pooled slot, whose number it determines
  bool linear = false;             // whether tokens that leave all slots are added to a linear memory
  double gate = 0.5;               // part of the linear memory in the output

  // The number of slots: those above, and those of the tokens that wait to be pooled
  Index slots() const {
    return sinks + window + heavy_hitters + (pooled_slots > 0 ? pooled_slots + kernel.size() : 0);
  }
};

// Throws BadInput unless all sizes are possible, the kernel is finite and the gate is from 0 to 1
void check(const MemoryOptions& options);

}  // namespace ringattn
