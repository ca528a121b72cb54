#pragma once

#include "gpu/primitives/ptx.cuh"
#include "gpu/primitives/tensor_map.h"

namespace ringattn::gpu {

// Instructions that only Hopper has (sm_90a), except for the products in wgmma.cuh. Names are those of the PTX ISA,
// 8.x: https://docs.nvidia.com/cuda/parallel-thread-execution/

// ---- Barriers that count bytes: mbarrier -----------------------------------------------

// A barrier in shared memory. Its phases have parity 0, 1, 0, 1, ...; a phase ends when the number of threads given to
// init has arrived, and all expected bytes.
struct MBarrier {
  uint64_t state;

  // Called by one thread; the others may use it after fence_barrier_init and __syncthreads
  __device__ void init(int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(this)), "r"(arrivals)
                 : "memory");
  }
  __device__ void arrive() {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(this)) : "memory");
  }
  __device__ void arrive_and_expect_tx(int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(this)),
                 "r"(bytes)
                 : "memory");
  }
  // Waits until the phase of that parity has ended; a new barrier behaves as if a phase of parity 1 had ended
  __device__ void wait(int parity) {
    asm volatile(
        "{\n.reg .pred ended;\n"
        "AGAIN:\nmbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1;\n"
        "@ended bra DONE;\nbra AGAIN;\nDONE:\n}" ::"r"(shared_address(this)),
        "r"(parity)
        : "memory");
  }
};

// Called by the thread that initialised barriers: makes them visible to the TMA and, after the next __syncthreads, to
// the threads of the block
__device__ inline void fence_barrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

// ---- TMA: cp.async.bulk.tensor -----------------------------------------------

// Copies a box of a matrix to shared memory, swizzled, with zeros beyond the end of the matrix. Called by one thread;
// _arrived_ counts the bytes
__device__ inline void tma_load_box(void* shared, const TensorMap& map, int column, int row, int head,
                                    MBarrier& arrived) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%2, %3, %4}], [%5];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(column), "r"(row), "r"(head), "r"(shared_address(&arrived))
      : "memory");
}

// Called by each thread that has written to shared memory: after the next barrier, wgmma and the TMA read what it wrote
// (fence.proxy.async)
__device__ inline void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// ---- Sums in global memory: red ------------------------------------------------------------

// Adds atomically to two adjacent numbers, 8-byte aligned
__device__ inline void red_add_pair(float* global, float x, float y) {
  asm volatile("red.relaxed.gpu.global.add.v2.f32 [%0], {%1, %2};" ::"l"(global), "f"(x), "f"(y) : "memory");
}

// ---- Registers: setmaxnreg -----------------------------------------------------------------

// Called by all threads of a warpgroup: sets the registers of each thread
template <int registers>
__device__ void warpgroup_reg_dealloc() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
}
template <int registers>
__device__ void warpgroup_reg_alloc() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
}

// ---- Named barriers: barrier.cta ----------------------------------------------------------

// Waits until _threads_ threads have arrived at barrier _id_, 1 to 15
__device__ inline void named_barrier_sync(int id, int threads) {
  asm volatile("barrier.cta.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Arrives at the same barrier without waiting
__device__ inline void named_barrier_arrive(int id, int threads) {
  asm volatile("barrier.cta.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

}  // namespace ringattn::gpu
