#include "reference/cli/backend.h"

#include <optional>

#include "gpu/bench/gpu_bench.h"
#include "gpu/ring/gpu_attention.h"
#include "gpu/runtime/device.h"
#include "reference/cli/self_check.h"
#include "reference/definition/bad_input.h"

namespace ringattn::cli {

void require_gpu() {
  const std::string found = gpu::why_no_device();
  require(found.empty(), "[--backend] gpu needs a CUDA device of compute capability 8.0 or later; found ",
          found, "; use --backend cpu");
}

GpuAnswer attention_on_gpu(const Problem<float>& problem, const Cotangents<float>* cotangents, Dtype dtype,
                           const RingOptions& ring, bool over_nccl, int at_most_rung, TraceSink& facts) {
  constexpr bool deterministic = true;
  std::optional<gpu::Communicator> communicator;
  const gpu::GpuOptions options(ring, over_nccl ? &communicator.emplace() : nullptr);
  gpu::Tracing tracing(facts, options.devices);
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

GpuBench bench_on_gpu(const GpuBenchSizes& sizes, const std::function<void(const GpuBench&)>& grown) {
  try {
    return gpu::bench_gpu(sizes, grown);
  } catch (const gpu::WrongAnswer& wrong) {
    throw WrongResult(wrong.what());
  }
}

}  // namespace ringattn::cli
