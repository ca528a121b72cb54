#pragma once

#include <functional>
#include <optional>
#include <string>

#include "reference/cli/bench/gpu_bench.h"
#include "reference/definition/dtype.h"
#include "reference/comm/mpi/mpi_communicator.h"
#include "reference/ring/ring_attention.h"

namespace ringattn::cli {

// What --backend gpu asks of the GPU version, which this room does not know: gpu/backend.cpp answers, or
// backend_absent.cpp where the GPU version is not built.

// Where a ring ran that did not run on this processor.
struct GpuRun {
  std::string device;     // its name
  int rung = 0;           // of the ladder of kernels
  std::string kernel;     // that rung's name
  int backward_rung = 0;  // of the backward ladder, if the run went backward
  std::string backward_kernel;
};

// What such a ring is to do. Q, K, V, dout and out are stored as _dtype_.
struct GpuTask {
  const Problem<float>& problem;
  const Cotangents<float>* cotangents;  // null: it goes forward only
  Dtype dtype;
  RingOptions ring;
  bool use_nccl = false;  // messages travel as they do between GPUs
  MpiCommunicator* mpi = nullptr;    // between processes with a GPU each; null: all devices share one
  int max_rung = 7;
};

// What such a ring gives.
struct GpuResult {
  AttentionOutput<float> forward;
  std::optional<Gradients<float>> gradients;
  GpuRun where;
};

// Throws BadInput unless there is a GPU that can do it. Where there is an MPI communicator, each process takes one
void require_gpu(const MpiCommunicator* mpi = nullptr);

// Exact attention over a ring of devices on GPUs and its vector-Jacobian product, the same bits in every run:
// by the highest rungs that take the problem. Gradients are not rounded to the storage type yet. _facts_ gets
// those of both passes when they are over, with the times of the GPU. Throws BadInput where the GPU version
// does not do such a thing.
GpuResult attention_on_gpu(const GpuTask& task, TraceSink& events);

// The ceilings of the GPU, and every rung of the ladder on problems of these sizes. _on_progress_ sees the report
// as soon as the ceilings are known, and after each row. Throws WrongResult where a rung's answer is wrong.
GpuBench bench_on_gpu(const GpuBenchSizes& sizes, const std::function<void(const GpuBench&)>& on_progress);

}  // namespace ringattn::cli
