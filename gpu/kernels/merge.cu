// Merging: states of the same queries over different keys are combined into one. The rungs need no merging while
// Q stays, because they carry one state from block to block.

#include "gpu/kernels/merge.h"

#include <algorithm>

#include "gpu/primitives/element.cuh"
#include "gpu/primitives/launch.cuh"
#include "gpu/tiles/softmax.cuh"

namespace ringattn::gpu {

namespace {

// m = max(m_this, m_other)   alpha = 2^(m_this - m)   beta = 2^(m_other - m)
// l = alpha l_this + beta l_other   O = alpha O_this + beta O_other
__global__ void __launch_bounds__(row_threads) merge(const __grid_constant__ MergeStep step) {
  const StatePair& at = step.device[blockIdx.z];
  const size_t row = row_of_warp();
  if (row >= size_t(step.B) * step.H * at.rows) return;

  const float m_this = at.m[row], m_other = at.m_other[row], m = fmaxf(m_this, m_other);
  const float alpha = alpha_of(m_this, m), beta = alpha_of(m_other, m);
  const int lane = threadIdx.x % 32;
  for (int c = lane; c < step.dv; c += 32) {
    float& O = at.O[row * step.dv + c];
    O = alpha * O + beta * at.O_other[row * step.dv + c];
  }
  __syncwarp();  // all lanes have read m before lane 0 writes it
  if (lane == 0) at.m[row] = m, at.l[row] = alpha * at.l[row] + beta * at.l_other[row];
}

// out = O / l   lse = m + log l
template <class T>
__global__ void __launch_bounds__(row_threads) finish(const __grid_constant__ AttentionStep step) {
  const DeviceStep& at = step.device[blockIdx.z];
  const size_t row = row_of_warp();
  if (row >= size_t(step.B) * step.H * at.q_rows) return;

  const float l = at.l[row];
  const int lane = threadIdx.x % 32;
  for (int c = lane; c < step.dv; c += 32) {
    const size_t place = row * step.dv + c;
    static_cast<T*>(at.out)[place] = to_element<T>(at.O[place] * normaliser(l));
  }
  if (lane == 0) at.lse[row] = lse_of(at.m[row], l);
}

}  // namespace

void launch_merge(const MergeStep& step, cudaStream_t stream) {
  int rows = 0;
  for (int d = 0; d < step.devices; ++d) rows = std::max(rows, step.device[d].rows);
  launch(merge, row_grid(size_t(step.B) * step.H * rows, step.devices), row_threads, 0, stream, step);
}

void launch_finish(const AttentionStep& step, cudaStream_t stream) {
  int rows = 0;
  for (int d = 0; d < step.devices; ++d) rows = std::max(rows, step.device[d].q_rows);
  dispatch_element(step.element, [&]<class T>(T) {
    launch(finish<T>, row_grid(size_t(step.B) * step.H * rows, step.devices), row_threads, 0, stream, step);
  });
}

}  // namespace ringattn::gpu
