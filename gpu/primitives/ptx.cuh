#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "gpu/primitives/element.cuh"

namespace ringattn::gpu {

// Instructions that C++ cannot express. Names are those of the PTX ISA, 8.x:
// https://docs.nvidia.com/cuda/parallel-thread-execution/

// The dynamic shared memory of this thread block
template <class Shared>
__device__ Shared* shared_memory() {
  extern __shared__ __align__(1024) unsigned char shared_bytes[];
  return reinterpret_cast<Shared*>(shared_bytes);
}

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// An ordinary write to shared memory. fence_proxy_async must follow before wgmma or the TMA reads it
__device__ inline void write_shared(uint32_t* shared, uint32_t value) { *shared = value; }

// ---- Asynchronous copies: cp.async --------------------------------------------

// 16 bytes from global to shared memory; zeros unless _wanted_
__device__ inline void cp_async_16(void* shared, const void* global, bool wanted) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(wanted ? 16 : 0)
               : "memory");
}

// The copies of this thread since the last commit become one group
__device__ inline void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until all but the newest _groups_ groups of this thread have arrived
template <int groups>
__device__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
}

// ---- Tensor cores: ldmatrix, mma.sync -------------------------------------------------

// Four 8 x 8 matrices of 16-bit elements. Lane i gives the address of row i % 8 of matrix i / 8; it gets, of
// each matrix, two adjacent elements of row i / 4, columns 2 (i % 4) and the next
__device__ inline void ldmatrix(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

// The same transposed: two adjacent elements of column i / 4, rows 2 (i % 4) and the next
__device__ inline void ldmatrix_transposed(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

// C += A B with A (16, 16), B (16, 8), C (16, 8); lane i = 4 g + t holds
//   A  rows g, g + 8, g, g + 8 at columns 2t, 2t, 2t + 8, 2t + 8, two adjacent elements each
//   B  column g at rows 2t and 2t + 8, two adjacent elements each
//   C  rows g, g, g + 8, g + 8 at columns 2t, 2t + 1, 2t, 2t + 1
__device__ inline void mma(float (&C)[4], const uint32_t (&A)[4], uint32_t B0, uint32_t B1, bf16) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(C[0]), "+f"(C[1]), "+f"(C[2]), "+f"(C[3])
      : "r"(A[0]), "r"(A[1]), "r"(A[2]), "r"(A[3]), "r"(B0), "r"(B1));
}
__device__ inline void mma(float (&C)[4], const uint32_t (&A)[4], uint32_t B0, uint32_t B1, f16) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(C[0]), "+f"(C[1]), "+f"(C[2]), "+f"(C[3])
      : "r"(A[0]), "r"(A[1]), "r"(A[2]), "r"(A[3]), "r"(B0), "r"(B1));
}

// ---- Softmax ---------------------------------------------------------------------------

// Two 16-bit numbers in one register, _low_ first
__device__ inline uint32_t pack(float low, float high, bf16) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return reinterpret_cast<const uint32_t&>(pair);
}
__device__ inline uint32_t pack(float low, float high, f16) {
  const __half2 pair = __floats2half2_rn(low, high);
  return reinterpret_cast<const uint32_t&>(pair);
}

// 2^x with a relative error of 2^-22 (ex2.approx.ftz.f32); 2^-inf = 0
__device__ inline float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace ringattn::gpu
