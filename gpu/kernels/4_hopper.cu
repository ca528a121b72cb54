// Rung 4: the TMA and the warpgroup products of Hopper.
//
// New      One thread starts copies of whole tiles by the TMA, which swizzles them and fills rows beyond the end of the
//          block with zeros. The four warps of a warpgroup multiply together (wgmma) and read Q, K and V directly from
//          shared memory: K and V no longer pass through registers (FlashAttention-3, arXiv:2407.08608, section 2.2).
// Bought   unmeasured.
// Wasted   the tensor cores are idle during the softmax, and the exponential units during the products. The four warps
//          move in step, so only a second thread block on the same SM fills the gaps.
// Next     a warpgroup that only loads, and several that compute.

#include <cuda_runtime.h>

#include "gpu/kernels/ladder.h"
#include "gpu/primitives/launch.cuh"
#include "gpu/tiles/tma_tile.cuh"
#include "gpu/tiles/warp_rows.cuh"

namespace ringattn::gpu {

namespace {

constexpr int threads = 128, query_rows = 64, key_rows = 64;
constexpr int stages = 2;  // tiles of keys in shared memory: one in use, one being copied

template <class T, int d>
struct Shared {
  TmaTile<T, query_rows, d> Q;
  TmaTile<T, key_rows, d> K[stages], V[stages];
  MBarrier Q_arrived, arrived[stages];
};

template <class T, int d>
__global__ void __launch_bounds__(threads) hopper(const __grid_constant__ MappedStep mapped) {
  const AttentionStep& step = mapped.step;
  const int device = blockIdx.z, head = blockIdx.y;
  const HeadView<T> at = head_view<T>(step, device, head);
  const int first = blockIdx.x * query_rows, last = min(first + query_rows, at.q_rows) - 1;
  if (first >= at.q_rows) return;
  auto& shared = *shared_memory<Shared<T, d>>();
  const VisibleRows keys = visible_keys(step.window, at, first, last, key_rows);

  // One thread starts all copies; the barriers count the bytes that arrive
  const bool is_producer = threadIdx.x == 0;
  const auto load_keys = [&](int base, int stage) {
    MBarrier& arrived = shared.arrived[stage];
    arrived.arrive_and_expect_tx(2 * TmaTile<T, key_rows, d>::bytes);
    shared.K[stage].load_async(mapped.K[device], base, kv_head(step, head), arrived);
    shared.V[stage].load_async(mapped.V[device], base, kv_head(step, head), arrived);
  };
  if (is_producer) {
    shared.Q_arrived.init(1);
    for (MBarrier& arrived : shared.arrived) arrived.init(1);
    fence_barrier_init();
    shared.Q_arrived.arrive_and_expect_tx(TmaTile<T, query_rows, d>::bytes);
    shared.Q.load_async(mapped.Q[device], first, head, shared.Q_arrived);
    if (keys.any.begin < keys.any.end) load_keys(keys.any.begin, 0);
  }
  __syncthreads();

  WarpRows<d> rows = load_rows<T, d>(step, at, first + threadIdx.x / 32 * 16, last);
  shared.Q_arrived.wait(0);
  for (int base = keys.any.begin, tile = 0; base < keys.any.end; base += key_rows, ++tile) {
    const int stage = tile % stages, phase = tile / stages % 2;
    if (is_producer && base + key_rows < keys.any.end) load_keys(base + key_rows, (tile + 1) % stages);
    shared.arrived[stage].wait(phase);

    // S = Q K^T, then the online softmax
    Fragment<key_rows> S;
    wgmma_fence();
    issue_scores<T, key_rows>(S, shared.Q, 0, shared.K[stage]);
    wgmma_wait<0>();
    if (!keys.all_visible(base, key_rows))
      mask_scores<key_rows>(S, rows, query_visibility(step.window, at), base);
    rescale<d>(rows.O, online_softmax<key_rows>(S, rows, step.scale * log2_e));

    // O += P V, with P as an operand in registers
    uint32_t P[key_rows / 16][4];
    to_a_operand<T, key_rows>(P, S);
    wgmma_fence();
    issue_values<T, key_rows>(rows.O, P, shared.V[stage]);
    wgmma_wait<0>();
    __syncthreads();  // all warps have finished with this stage
  }
  store_rows(step, at, rows);
}

}  // namespace

std::string hopper_unsupported_reason(const AttentionStep& step) {
  if (device_attribute(cudaDevAttrComputeCapabilityMajor) != 9)
    return "it uses instructions that only Hopper has (sm_90a)";
  return tensor_cores_unsupported_reason(step);
}

void launch_hopper(const AttentionStep& step, cudaStream_t stream) {
  dispatch_16_bit_tiles(step, [&]<class T, int d>() {
    launch(hopper<T, d>, query_grid(step, query_rows), threads, sizeof(Shared<T, d>), stream,
           with_tensor_maps(step, query_rows, key_rows));
  });
}

}  // namespace ringattn::gpu
