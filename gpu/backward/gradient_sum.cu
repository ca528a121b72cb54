#include "gpu/backward/gradient_sum.h"

#include <algorithm>

#include "gpu/primitives/launch.cuh"

namespace ringattn::gpu {

namespace {

// Each thread adds _times_ numbers; adjacent threads read adjacent numbers
constexpr int threads = 128, times = 8, of_block = threads * times;

__global__ void __launch_bounds__(threads) add(const __grid_constant__ SumStep step) {
  const DeviceSum& at = step.device[blockIdx.z];
  float* const sum = at.sum[blockIdx.y];
  const float* const before = at.before[blockIdx.y];
  const long long begin = static_cast<long long>(blockIdx.x) * of_block;
  const long long elements = at.elements[blockIdx.y], end = begin + of_block;
  for (long long n = begin + threadIdx.x; n < end && n < elements; n += threads) sum[n] = before[n] + sum[n];
}

}  // namespace

void launch_sum(const SumStep& step, cudaStream_t stream) {
  long long elements = 0;
  for (int d = 0; d < step.devices; ++d)
    for (const long long of_tensor : step.device[d].elements) elements = std::max(elements, of_tensor);
  const auto blocks = static_cast<unsigned>((elements + of_block - 1) / of_block);
  launch(add, dim3(blocks, DeviceSum::max_tensors, step.devices), threads, 0, stream, step);
}

}  // namespace ringattn::gpu
