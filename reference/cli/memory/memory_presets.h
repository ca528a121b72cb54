#pragma once

#include <string>
#include <vector>

#include "reference/circular_memory/memory_options.h"

namespace ringattn::cli {

// A memory that an experiment compares with exact attention.
struct NamedMemory {
  std::string name;
  MemoryOptions options;
};

// The memories of the papers, and one with all kinds of slots. Each has _budget_ slots in all; the linear memory has
// the size of (D Dv + D) / (D + Dv) slots. _settings_ gives the kernel and the gate. Throws BadInput if the budget is
// too small.
std::vector<NamedMemory> preset_memories(Index budget, Index D, Index Dv, const MemoryOptions& settings);

// "4 first, 252 recent, 256 heavy hitters, 24 slots of 8 pooled, linear memory"
std::string description(const MemoryOptions& options);

}  // namespace ringattn::cli
