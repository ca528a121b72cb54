#pragma once

#include <functional>
#include <optional>
#include <string>

#include "reference/cli/backend/gpu_bench.h"
#include "reference/comm/mpi/mpi_communicator.h"
#include "reference/definition/dtype.h"
#include "reference/ring/ring_attention.h"

namespace ringattn::cli {

// The interface between the commands and the GPU version. gpu/backend.cpp implements it; backend_absent.cpp does in
// a program built without the GPU version, and refuses.

// Where a ring ran on the GPU.
struct GpuRun {
  std::string device;           // name of the GPU
  int rung = 0;                 // of the forward ladder of kernels
  std::string kernel;           // name of that rung
  int backward_rung = 0;        // of the backward ladder; 0: no gradients were computed
  std::string backward_kernel;  // name of that rung
};

// The number of the last rung of gpu/kernels/ladder.cpp, which the command line knows without a GPU version
inline constexpr int highest_rung_number = 7;

// A ring to run on the GPU. Q, K, V, dout and out are stored as _dtype_.
struct GpuTask {
  const Problem<float>& problem;
  const Cotangents<float>* cotangents;  // null: forward only
  Dtype dtype;
  RingOptions ring;
  bool use_nccl = false;           // send messages over NCCL, as between GPUs
  MpiCommunicator* mpi = nullptr;  // one process and GPU per device; null: all devices share one GPU
  int max_rung = highest_rung_number;
};

struct GpuResult {
  AttentionOutput<float> forward;
  std::optional<Gradients<float>> gradients;  // not rounded to the storage type yet
  GpuRun where;
};

// Throws BadInput unless there is a usable GPU. With an MPI communicator, assigns a GPU to each process
void require_gpu(const MpiCommunicator* mpi = nullptr);

// Exact attention over a ring of devices on GPUs and its vector-Jacobian product, bit-identical in every run, by the
// highest rungs that support the problem. After both passes _events_ receives their events, with the times of the
// GPU. Throws BadInput if the GPU version does not support the problem.
GpuResult attention_on_gpu(const GpuTask& task, TraceSink& events);

// Measures the ceilings of the GPU, and every rung of the ladders on problems of these sizes. Calls _on_progress_ as
// soon as the ceilings are known, and after each row. Throws WrongResult if the result of a rung is wrong.
GpuBench bench_on_gpu(const GpuBenchSizes& sizes, const std::function<void(const GpuBench&)>& on_progress);

}  // namespace ringattn::cli
