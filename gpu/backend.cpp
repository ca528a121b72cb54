#include "reference/cli/backend.h"

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

Attended<float> attention_on_gpu(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                                 int at_most_rung, TraceSink& facts, GpuRun& where) {
  Attended<float> result = gpu::ring_attention(problem, dtype, options, at_most_rung, {&facts, {}});
  const gpu::Rung& rung = gpu::rung_for(problem, dtype, options, at_most_rung);
  where = {gpu::device_name(), rung.number, rung.name};
  return result;
}

GpuBench bench_on_gpu(const GpuBenchSizes& sizes, const std::function<void(const GpuBench&)>& grown) {
  try {
    return gpu::bench_gpu(sizes, grown);
  } catch (const gpu::WrongAnswer& wrong) {
    throw WrongResult(wrong.what());
  }
}

}  // namespace ringattn::cli
