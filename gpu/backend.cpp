// The GPU backend of `ringattn run` and `ringattn bench`: calls the ring and the measurements on the GPU.

#include "reference/cli/backend/backend.h"
#include "reference/cli/args/wrong_result.h"

#include <optional>

#include "gpu/bench/gpu_bench.h"
#include "gpu/ring/gpu_attention.h"
#include "gpu/runtime/device.h"
#include "reference/cli/run/definition_check.h"
#include "reference/definition/input/bad_input.h"

namespace ringattn::cli {

void require_gpu(const MpiCommunicator* mpi) {
  const std::string found = gpu::unavailable_reason();
  require(found.empty(), "[--backend] gpu needs a CUDA device of compute capability 8.0 or later; found ",
          found, "; use --backend cpu");
  if (mpi) gpu::assign_device(*mpi);
}

namespace {

GpuResult attention_on_gpu(const GpuTask& task, const gpu::GpuOptions& options, gpu::Tracing& tracing) {
  constexpr bool deterministic = true;
  const auto& [problem, cotangents, dtype, ring, use_nccl, mpi, max_rung] = task;
  GpuResult answer;
  answer.forward = gpu::ring_attention(problem, dtype, options, max_rung, &tracing);
  const gpu::Rung& rung = gpu::rung_for(problem, dtype, options, max_rung);
  answer.where = {gpu::device_name(), rung.number, rung.name, 0, {}};
  if (!cotangents) return answer;
  answer.gradients = gpu::ring_attention_vjp(problem, answer.forward, *cotangents, dtype, options, max_rung,
                                             deterministic, &tracing);
  const gpu::BackwardRung& backward =
      gpu::rung_for(problem, *cotangents, dtype, options, max_rung, deterministic);
  answer.where.backward_rung = backward.number, answer.where.backward_kernel = backward.name;
  return answer;
}

}  // namespace

GpuResult attention_on_gpu(const GpuTask& task, TraceSink& events) {
  if (MpiCommunicator* const mpi = task.mpi) {
    gpu::PeerGroup peers(*mpi);
    gpu::Tracing tracing(events, task.ring.devices, {},
                         [mpi] { return mpi->synchronized_time(WallClock::now()); });
    return attention_on_gpu(task, gpu::GpuOptions(task.ring, peers), tracing);
  }
  std::optional<gpu::Communicator> communicator;
  if (task.use_nccl) communicator.emplace();
  gpu::Tracing tracing(events, task.ring.devices);
  return attention_on_gpu(task, gpu::GpuOptions(task.ring, communicator ? &*communicator : nullptr), tracing);
}

GpuBench bench_on_gpu(const GpuBenchSizes& sizes, const std::function<void(const GpuBench&)>& on_progress) {
  try {
    return gpu::bench_gpu(sizes, on_progress);
  } catch (const gpu::WrongResult& wrong) {
    throw WrongResult(wrong.what());
  }
}

}  // namespace ringattn::cli
