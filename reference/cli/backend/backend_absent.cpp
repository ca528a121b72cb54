// Replaces the GPU backend in a program without the GPU version: each use is an error.

#include "reference/cli/backend/backend.h"
#include "reference/definition/input/bad_input.h"

namespace ringattn::cli {

void require_gpu(const MpiCommunicator*) {
  throw BadInput(
      "[--backend] gpu needs the GPU version; found a program built without it; build it with the CUDA "
      "Toolkit "
      "(see gpu/README.md), or use --backend cpu");
}

GpuResult attention_on_gpu(const GpuTask&, TraceSink&) {
  require_gpu();
  return {};
}

GpuBench bench_on_gpu(const GpuBenchSizes&, const std::function<void(const GpuBench&)>&) {
  require_gpu();
  return {};
}

}  // namespace ringattn::cli
