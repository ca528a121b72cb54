#pragma once

#include "gpu/primitives/hopper.cuh"
#include "gpu/primitives/wgmma.cuh"

namespace ringattn::gpu {

// A tile as the TMA writes it and wgmma reads it: boxes of 64 columns, 128 bytes a row, swizzled, one box after the
// other.
template <class T, int rows, int d>
struct alignas(1024) TmaTile {
  static constexpr int bytes = rows * d * int{sizeof(T)};

  T boxes[d / 64][rows][64];

  // Starts a TMA copy of the rows from _row_ on; called by one thread
  __device__ void load_async(const TensorMap& map, int row, int head, MBarrier& arrived) {
#pragma unroll
    for (int c = 0; c < d / 64; ++c) tma_load_box(boxes[c], map, 64 * c, row, head, arrived);
  }

  // From row _row_ on, 16 columns from column _column_ on
  __device__ uint64_t k_major_descriptor(int row, int column) const {
    return matrix_descriptor(&boxes[column / 64][row][column % 64]);
  }
  // Rows as the inner dimension of a product, from row _row_ on, columns from box _box_ on
  __device__ uint64_t mn_major_descriptor(int row, int box = 0) const {
    return matrix_descriptor(boxes[box][row], int{sizeof(boxes[0])});
  }

  // Stores two adjacent elements where the TMA would have written them: bits 4 to 6 of an address are replaced by their
  // exclusive or with bits 7 to 9
  __device__ void store_pair(int row, int column, uint32_t pair) {
    T* const eight = boxes[column / 64][row] + 8 * (column % 64 / 8 ^ row % 8);
    write_shared(reinterpret_cast<uint32_t*>(eight + column % 8), pair);
  }
};

// S = Q K^T of a warpgroup's 64 queries, from row _first_ of the tile on
template <class T, int keys, int query_rows, int d>
__device__ void issue_scores(Fragment<keys>& S, const TmaTile<T, query_rows, d>& Q, int first,
                             const TmaTile<T, keys, d>& K) {
#pragma unroll
  for (int c = 0; c < d; c += 16)
    multiply_scores(S, Q.k_major_descriptor(first, c), K.k_major_descriptor(0, c), c > 0, T());
  wgmma_commit();
}

// O += P V
template <class T, int keys, int d>
__device__ void issue_values(Fragment<d>& O, const uint32_t (&P)[keys / 16][4],
                             const TmaTile<T, keys, d>& V) {
#pragma unroll
  for (int k = 0; k < keys / 16; ++k) multiply_values(O, P[k], V.mn_major_descriptor(16 * k), T());
  wgmma_commit();
}

// C = A^T B of 64 columns each, those of boxes _a_ and _b_
template <class T, int rows, int A_columns, int B_columns>
__device__ void issue_transposed(Fragment<64>& C, const TmaTile<T, rows, A_columns>& A, int a,
                                 const TmaTile<T, rows, B_columns>& B, int b) {
#pragma unroll
  for (int k = 0; k < rows; k += 16)
    multiply_transposed(C, A.mn_major_descriptor(k, a), B.mn_major_descriptor(k, b), k > 0, T());
  wgmma_commit();
}

// ---- Tensor maps of a launch, for the TMA -----------------------------------------

// A step with the tensor maps of all devices: 16 KiB, a kernel parameter
struct MappedStep {
  AttentionStep step;
  TensorMap Q[AttentionStep::max_devices], K[AttentionStep::max_devices], V[AttentionStep::max_devices];
};

inline MappedStep with_tensor_maps(const AttentionStep& step, int query_rows, int key_rows) {
  MappedStep mapped{step, {}, {}, {}};
  for (int i = 0; i < step.devices; ++i) {
    const DeviceStep& s = step.device[i];
    const int heads = step.B * step.H, kv_heads = step.B * step.Hkv;
    mapped.Q[i] = make_tensor_map(s.Q, step.element, heads, s.q_rows, step.d, query_rows);
    mapped.K[i] = make_tensor_map(s.K, step.element, kv_heads, s.kv_rows, step.d, key_rows);
    mapped.V[i] = make_tensor_map(s.V, step.element, kv_heads, s.kv_rows, step.dv, key_rows);
  }
  return mapped;
}

}  // namespace ringattn::gpu
