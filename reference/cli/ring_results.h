#pragma once

#include <optional>

#include "reference/cli/backend.h"
#include "reference/files/trace_file.h"

namespace ringattn::cli {

// What a ring computed for `run`, wherever it did.
template <class T>
struct RingResults {
  Attended<T> forward;
  std::optional<Gradients<T>> gradients;
  double seconds = 0;
  std::optional<GpuRun> gpu;
  std::vector<TraceFile> facts_of_others;  // the texts at which the facts of other processes look
};

}  // namespace ringattn::cli
