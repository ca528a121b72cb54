#pragma once

#include "gpu/primitives/ptx.cuh"
#include "gpu/primitives/tensor_map.h"

namespace ringattn::gpu {

// What only Hopper can do (sm_90a), but for the products of wgmma.cuh. Names of instructions are those of the
// PTX ISA, 8.x: https://docs.nvidia.com/cuda/parallel-thread-execution/

// ---- Barriers that count bytes: mbarrier -----------------------------------------------

// In shared memory. It goes through phases of parity 0, 1, 0, 1, ...; a phase ends when as many threads have
// arrived as it was made for, and all bytes that were announced.
struct MBarrier {
  uint64_t state;

  // By one thread; the others may use it once it is published
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
  // Until the phase of that parity has ended; before the first phase, one of parity 1 has
  __device__ void wait(int parity) {
    asm volatile(
        "{\n.reg .pred ended;\n"
        "AGAIN:\nmbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1;\n"
        "@ended bra DONE;\nbra AGAIN;\nDONE:\n}" ::"r"(shared_address(this)),
        "r"(parity)
        : "memory");
  }
};

// By the thread that made barriers: threads of this block and the copy engine will find them made, after the
// next __syncthreads
__device__ inline void fence_barrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

// ---- The copy engine: cp.async.bulk.tensor -----------------------------------------------

// A box of a matrix to shared memory, swizzled; zeros where the matrix has ended. By one thread; _arrived_
// counts its bytes
__device__ inline void tma_load_box(void* shared, const TensorMap& map, int column, int row, int head,
                                MBarrier& arrived) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%2, %3, %4}], [%5];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(column), "r"(row), "r"(head), "r"(shared_address(&arrived))
      : "memory");
}

// By each thread that has written to shared memory: products and the copy engine will find it, after the next
// barrier (fence.proxy.async)
__device__ inline void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// ---- Sums in global memory: red ------------------------------------------------------------

// Adds to two neighbours, the first at a multiple of 8 bytes, whoever else adds to them
__device__ inline void red_add_pair(float* global, float x, float y) {
  asm volatile("red.relaxed.gpu.global.add.v2.f32 [%0], {%1, %2};" ::"l"(global), "f"(x), "f"(y) : "memory");
}

// ---- Registers: setmaxnreg -----------------------------------------------------------------

// By all threads of a warpgroup: from now on each has so many
template <int registers>
__device__ void warpgroup_reg_dealloc() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
}
template <int registers>
__device__ void warpgroup_reg_alloc() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
}

// ---- Taking turns: barrier.cta ----------------------------------------------------------

// So many threads, until all of them are here; 1 <= id <= 15
__device__ inline void named_barrier_sync(int id, int threads) {
  asm volatile("barrier.cta.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Arrives at the same barrier without waiting for it
__device__ inline void named_barrier_arrive(int id, int threads) {
  asm volatile("barrier.cta.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

}  // namespace ringattn::gpu
