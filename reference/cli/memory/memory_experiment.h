#pragma once

#include "reference/circular_memory/memory_report.h"
#include "reference/cli/memory/memory_input.h"
#include "reference/cli/memory/memory_presets.h"
#include "reference/cli/output/progress.h"
#include "reference/cli/run/definition_check.h"

namespace ringattn::cli {

// The result of exact ring attention on an input.
struct RingResult {
  DefinitionCheck check;    // of the compared rows and of the answers to the questions
  double error = 0;         // norm(out' - out) / norm(out), as for memories
  std::vector<bool> found;  // for each needle
  Index bytes = 0;          // K, V and positions of all tokens
  double multiply_adds = 0;
};

// The result of a memory on an input.
struct MemoryResult {
  NamedMemory memory;
  MemoryReport report;
  std::vector<bool> found;  // for each needle
};

// The ring and the memories on one input.
struct InputResult {
  std::string input, description;
  Index tokens = 0, dim = 0;
  Index compared_rows = 0;  // evenly spaced in the last quarter, where the memories have been full for long
  std::vector<Needle> needles;
  RingResult ring;
  std::vector<MemoryResult> memories;
};

// Runs the ring and streams the input through each memory. A needle is found if, of all tokens, its value has the
// smallest angle to the answer. _progress_ advances once for each token of each memory.
InputResult run_experiment(const MemoryInput& input, const std::vector<NamedMemory>& memories,
                           const RingOptions& ring, ProgressBar& progress);

}  // namespace ringattn::cli
