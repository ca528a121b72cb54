#pragma once

#include <optional>

#include "reference/cli/args/make_problem.h"
#include "reference/cli/backend/backend.h"
#include "reference/cli/run/run_options.h"
#include "reference/comm/mpi/mpi_communicator.h"
#include "reference/files/trace_file.h"

namespace ringattn::cli {

// The results of a ring on threads, processes or GPUs.
template <class T>
struct RingResults {
  AttentionOutput<T> forward;
  std::optional<Gradients<T>> gradients;
  double seconds = 0;
  int processes = 1;
  std::optional<GpuRun> gpu;
  std::vector<TraceFile> remote_traces;  // own the strings that events of other processes refer to
};

// Run the ring on threads, on processes, or on GPUs. Without an MPI communicator the devices on GPUs are virtual
// devices of one GPU; with one, processes with one GPU each. Of a ring of processes, only the device of this process
// writes events and has results.
template <class T>
RingResults<T> run_ring_on_threads(const RunOptions& options, const OwnedProblem<T>& inputs,
                                   TraceSink& events);
template <class T>
RingResults<T> run_ring_on_mpi(const RunOptions& options, const OwnedProblem<T>& inputs, MpiCommunicator& mpi,
                               TraceSink& events);
RingResults<float> run_ring_on_gpu(const RunOptions& options, const OwnedProblem<float>& inputs,
                                   MpiCommunicator* mpi, TraceSink& events);

}  // namespace ringattn::cli
