#pragma once

#include <optional>

#include "reference/cli/backend.h"
#include "reference/cli/case.h"
#include "reference/cli/run_options.h"
#include "reference/files/trace_file.h"
#include "reference/transport/mpi/post.h"

namespace ringattn::cli {

// What a ring computed for `run`, wherever it did.
template <class T>
struct RingResults {
  Attended<T> forward;
  std::optional<Gradients<T>> gradients;
  double seconds = 0;
  int processes = 1;
  std::optional<GpuRun> gpu;
  std::vector<TraceFile> facts_of_others;  // the texts at which the facts of other processes look
};

// The rings that `run` knows: of threads, of processes, and of devices on GPUs, which are virtual ones on one
// GPU or, where there is a post, processes with one each. Of processes only the device of this one writes
// facts and has results.
template <class T>
RingResults<T> run_on_threads(const RunOptions& options, const Case<T>& c, TraceSink& facts);
template <class T>
RingResults<T> run_on_mpi(const RunOptions& options, const Case<T>& c, Post& post, TraceSink& facts);
RingResults<float> run_on_gpu(const RunOptions& options, const Case<float>& c, Post* post, TraceSink& facts);

}  // namespace ringattn::cli
