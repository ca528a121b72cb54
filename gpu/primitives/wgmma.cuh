#pragma once

#include "gpu/primitives/ptx.cuh"

namespace ringattn::gpu {

// Products of a warpgroup (four warps, the first a multiple of four): wgmma (sm_90a), PTX ISA 8.x. They are
// asynchronous.

// ---- Order --------------------------------------------------------------------------------

// Orders earlier register accesses before later products
__device__ inline void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

// The products since the last commit become one group
__device__ inline void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Waits until all but the newest _groups_ groups are done
template <int groups>
__device__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(groups) : "memory");
}

// ---- Operands --------------------------------------------------------------------------------

// A matrix in shared memory, as the TMA writes it: rows of 64 elements, 128 bytes, swizzled, groups of 8 rows one after
// the other, 1024-byte aligned. _next_columns_: bytes to the next 64 columns, for products of more than 64. Fields as
// in the PTX ISA, "Matrix descriptor"
__device__ inline uint64_t matrix_descriptor(const void* shared, int next_columns = 16) {
  constexpr uint64_t eight_rows = 1024 >> 4, swizzle_128_bytes = 1;
  return (shared_address(shared) & 0x3ffff) >> 4 | uint64_t(next_columns >> 4) << 16 | eight_rows << 32 |
         swizzle_128_bytes << 62;
}

// ---- Products -----------------------------------------------------------------------------

// The registers of a fragment, as operands and by their numbers
#define FRAGMENT_4(X, n) "+f"(X[n][0]), "+f"(X[n][1]), "+f"(X[n][2]), "+f"(X[n][3])
#define FRAGMENT_16(X, n) FRAGMENT_4(X, n), FRAGMENT_4(X, n + 1), FRAGMENT_4(X, n + 2), FRAGMENT_4(X, n + 3)
#define FRAGMENT_64_COLUMNS(X) FRAGMENT_16(X, 0), FRAGMENT_16(X, 4)
#define FRAGMENT_128_COLUMNS(X) FRAGMENT_64_COLUMNS(X), FRAGMENT_16(X, 8), FRAGMENT_16(X, 12)
#define NUMBERS_64_COLUMNS                                                                               \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, " \
  "%22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define NUMBERS_128_COLUMNS                                                                                \
  NUMBERS_64_COLUMNS                                                                                       \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, " \
  "%52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"

// S = Q K^T over 16 columns of 64 queries and as many keys as S has columns; S += where _add_
#define MULTIPLY_SCORES(keys, type, Q_number, K_number, add_number)                                      \
  __device__ inline void multiply_scores(Fragment<keys>& S, uint64_t Q, uint64_t K, bool add, type) {    \
    asm volatile("{\n.reg .pred more;\nsetp.ne.b32 more, %" #add_number                                  \
                 ", 0;\n"                                                                                \
                 "wgmma.mma_async.sync.aligned.m64n" #keys "k16.f32." #type "." #type                    \
                 " {" NUMBERS_##keys##_COLUMNS "}, %" #Q_number ", %" #K_number ", more, 1, 1, 0, 0;\n}" \
                 : FRAGMENT_##keys##_COLUMNS(S)                                                          \
                 : "l"(Q), "l"(K), "r"(int(add))                                                         \
                 : "memory");                                                                            \
  }
MULTIPLY_SCORES(64, bf16, 32, 33, 34)
MULTIPLY_SCORES(64, f16, 32, 33, 34)
MULTIPLY_SCORES(128, bf16, 64, 65, 66)
MULTIPLY_SCORES(128, f16, 64, 65, 66)
#undef MULTIPLY_SCORES

// O += P V over 16 keys; P in registers, V in shared memory, row-major
#define MULTIPLY_VALUES(columns, type, P0, P1, P2, P3, V_number)                                          \
  __device__ inline void multiply_values(Fragment<columns>& O, const uint32_t(&P)[4], uint64_t V, type) { \
    asm volatile(                                                                                         \
        "{\n.reg .pred more;\nsetp.eq.b32 more, 0, 0;\n"                                                  \
        "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." #type "." #type                           \
        " {" NUMBERS_##columns##_COLUMNS "}, {%" #P0 ", %" #P1 ", %" #P2 ", %" #P3 "}, %" #V_number       \
                                         ", more, 1, 1, 1;\n}"                                            \
        : FRAGMENT_##columns##_COLUMNS(O)                                                                 \
        : "r"(P[0]), "r"(P[1]), "r"(P[2]), "r"(P[3]), "l"(V)                                              \
        : "memory");                                                                                      \
  }
MULTIPLY_VALUES(64, bf16, 32, 33, 34, 35, 36)
MULTIPLY_VALUES(64, f16, 32, 33, 34, 35, 36)
MULTIPLY_VALUES(128, bf16, 64, 65, 66, 67, 68)
MULTIPLY_VALUES(128, f16, 64, 65, 66, 67, 68)
#undef MULTIPLY_VALUES

// C = A^T B over 16 rows of both, which are row-major in shared memory: 64 columns of
// A and 64 of B; C += where _add_
#define MULTIPLY_TRANSPOSED(type)                                                                       \
  __device__ inline void multiply_transposed(Fragment<64>& C, uint64_t A, uint64_t B, bool add, type) { \
    asm volatile(                                                                                       \
        "{\n.reg .pred more;\nsetp.ne.b32 more, %34, 0;\n"                                              \
        "wgmma.mma_async.sync.aligned.m64n64k16.f32." #type "." #type " {" NUMBERS_64_COLUMNS           \
        "}, %32, %33, more, 1, 1, 1, 1;\n}"                                                             \
        : FRAGMENT_64_COLUMNS(C)                                                                        \
        : "l"(A), "l"(B), "r"(int(add))                                                                 \
        : "memory");                                                                                    \
  }
MULTIPLY_TRANSPOSED(bf16)
MULTIPLY_TRANSPOSED(f16)
#undef MULTIPLY_TRANSPOSED

}  // namespace ringattn::gpu
