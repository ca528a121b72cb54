#pragma once

#include <optional>

#include "reference/cli/run/backend.h"
#include "reference/cli/args/owned_problem.h"
#include "reference/cli/run/run_options.h"
#include "reference/files/trace_file.h"
#include "reference/comm/mpi/mpi_communicator.h"

namespace ringattn::cli {

// What a ring computed for `run`, wherever it did.
template <class T>
struct RingResults {
  AttentionOutput<T> forward;
  std::optional<Gradients<T>> gradients;
  double seconds = 0;
  int processes = 1;
  std::optional<GpuRun> gpu;
  std::vector<TraceFile> remote_traces;  // the texts at which the facts of other processes look
};

// The rings that `run` knows: of threads, of processes, and of devices on GPUs, which are virtual ones on one
// GPU or, where there is an MPI communicator, processes with one each. Of processes only the device of this one writes
// facts and has results.
template <class T>
RingResults<T> run_ring_on_threads(const RunOptions& options, const OwnedProblem<T>& inputs, TraceSink& events);
template <class T>
RingResults<T> run_ring_on_mpi(const RunOptions& options, const OwnedProblem<T>& inputs, MpiCommunicator& mpi, TraceSink& events);
RingResults<float> run_ring_on_gpu(const RunOptions& options, const OwnedProblem<float>& inputs, MpiCommunicator* mpi, TraceSink& events);

}  // namespace ringattn::cli
