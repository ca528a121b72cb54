#include "gpu/backward/row_term.h"

#include <algorithm>

#include "gpu/primitives/launch.cuh"

namespace ringattn::gpu {

namespace {

// Sums are taken in float32, in the same order in every run
template <class T>
__global__ void __launch_bounds__(row_threads) row_term(const __grid_constant__ RowTermStep step) {
  const DeviceRowTerms& at = step.device[blockIdx.z];
  const size_t row = row_of_warp();
  if (row >= size_t(step.B) * step.H * at.rows) return;

  const T* const dO = static_cast<const T*>(at.dO) + row * step.dv;
  const T* const out = static_cast<const T*>(at.out) + row * step.dv;
  const int lane = threadIdx.x % 32;
  float delta = 0;
  for (int c = lane; c < step.dv; c += 32) delta += to_float(dO[c]) * to_float(out[c]);
  for (int distance = 16; distance > 0; distance /= 2) delta += __shfl_xor_sync(0xffffffff, delta, distance);

  if (lane > 0) return;
  const float dlse = at.dlse ? at.dlse[row] : 0;
  at.row_term[row] = at.lse[row] == -INFINITY ? 0 : dlse - delta;
}

}  // namespace

void launch_row_terms(const RowTermStep& step, cudaStream_t stream) {
  int rows = 0;
  for (int d = 0; d < step.devices; ++d) rows = std::max(rows, step.device[d].rows);
  dispatch_element(step.element, [&]<class T>(T) {
    launch(row_term<T>, row_grid(size_t(step.B) * step.H * rows, step.devices), row_threads, 0, stream, step);
  });
}

}  // namespace ringattn::gpu
