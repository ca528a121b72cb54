#include "reference/cli/backend.h"

#include <optional>

#include "gpu/bench/gpu_bench.h"
#include "gpu/ring/gpu_attention.h"
#include "gpu/runtime/device.h"
#include "reference/cli/self_check.h"
#include "reference/definition/bad_input.h"

namespace ringattn::cli {

void require_gpu(const Post* post) {
  const std::string found = gpu::why_no_device();
  require(found.empty(), "[--backend] gpu needs a CUDA device of compute capability 8.0 or later; found ",
          found, "; use --backend cpu");
  if (post) gpu::take_device(*post);
}

namespace {

GpuAnswer attention_on_gpu(const GpuTask& task, const gpu::GpuOptions& options, gpu::Tracing& tracing) {
  constexpr bool deterministic = true;
  const auto& [problem, cotangents, dtype, ring, over_nccl, post, at_most_rung] = task;
  GpuAnswer answer;
  answer.forward = gpu::ring_attention(problem, dtype, options, at_most_rung, &tracing);
  const gpu::Rung& rung = gpu::rung_for(problem, dtype, options, at_most_rung);
  answer.where = {gpu::device_name(), rung.number, rung.name, 0, {}};
  if (!cotangents) return answer;
  answer.gradients = gpu::ring_attention_vjp(problem, answer.forward, *cotangents, dtype, options,
                                             at_most_rung, deterministic, &tracing);
  const gpu::BackwardRung& backward =
      gpu::rung_for(problem, *cotangents, dtype, options, at_most_rung, deterministic);
  answer.where.backward_rung = backward.number, answer.where.backward_kernel = backward.name;
  return answer;
}

}  // namespace

GpuAnswer attention_on_gpu(const GpuTask& task, TraceSink& facts) {
  if (Post* const post = task.post) {
    gpu::Neighbours neighbours(*post);
    gpu::Tracing tracing(facts, task.ring.devices, {},
                         [post] { return post->common_time(WallClock::now()); });
    return attention_on_gpu(task, gpu::GpuOptions(task.ring, neighbours), tracing);
  }
  std::optional<gpu::Communicator> communicator;
  if (task.over_nccl) communicator.emplace();
  gpu::Tracing tracing(facts, task.ring.devices);
  return attention_on_gpu(task, gpu::GpuOptions(task.ring, communicator ? &*communicator : nullptr), tracing);
}

GpuBench bench_on_gpu(const GpuBenchSizes& sizes, const std::function<void(const GpuBench&)>& grown) {
  try {
    return gpu::bench_gpu(sizes, grown);
  } catch (const gpu::WrongAnswer& wrong) {
    throw WrongResult(wrong.what());
  }
}

}  // namespace ringattn::cli
