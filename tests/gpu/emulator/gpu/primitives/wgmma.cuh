#pragma once

#include <array>

#include "gpu/primitives/element.cuh"
#include "gpu/primitives/ptx.cuh"
#include "gpu/primitives/swizzle.h"

// gpu/primitives/wgmma.cuh for the emulated device. Each warp of a warpgroup computes its 16 rows of a product as
// late as possible: when it waits for them. A warp therefore cannot rely on the waits of another warp.
namespace ringattn::gpu {

// ---- Order --------------------------------------------------------------------------------

inline void wgmma_fence() {}

inline void wgmma_commit() {
  int nothing = 0;
  emulator::warp_collective(nothing, [](int* const*) {
    emulator::Products& all = emulator::products();
    all.groups.push_back(std::move(all.open));
    all.open.clear();
  });
}

template <int groups>
void wgmma_wait() {
  int nothing = 0;
  emulator::warp_collective(nothing, [](int* const*) {
    emulator::Products& all = emulator::products();
    while (all.groups.size() > std::size_t{groups}) {
      for (const auto& product : all.groups.front()) product();
      all.groups.pop_front();
    }
  });
}

// ---- Factors ------------------------------------------------------------------------------

// An offset into shared memory and the distance to the next 64 columns
inline uint64_t matrix_descriptor(const void* shared, int next_columns = 16) {
  const auto offset = static_cast<const char*>(shared) - static_cast<const char*>(emulator::shared_bytes());
  return static_cast<uint64_t>(offset) | uint64_t(next_columns) << 32;
}

template <class T>
float element_of(uint64_t matrix, int row, int column) {
  char* const begin = static_cast<char*>(emulator::async_proxy_bytes()) + (matrix & 0xffffffff);
  const int next_columns = static_cast<int>(matrix >> 32);
  const int offset = row / 8 * 1024 + row % 8 * 128 + column / 64 * next_columns + column % 64 * 2;
  return to_float(reinterpret_cast<const T&>(*element_at(begin, offset)));
}

// ---- Products -----------------------------------------------------------------------------

// The part of a product that one lane holds: C += A B
struct PartOfProduct {
  float* C;           // an accumulator fragment
  const uint32_t* A;  // the left factor, if it is in registers
};
using WarpOfParts = std::array<PartOfProduct, 32>;

// C += A B with A (16, 16) and B (16, columns), or C = A B; left(i, k) and right(k, j) are their elements
template <int columns, class Left, class Right>
void multiply(const WarpOfParts& parts, bool add, const Left& left, const Right& right) {
  float A[16][16], B[columns][16];
  for (int k = 0; k < 16; ++k) {
    for (int i = 0; i < 16; ++i) A[i][k] = left(i, k);
    for (int j = 0; j < columns; ++j) B[j][k] = right(k, j);
  }
  for (int lane = 0; lane < 32; ++lane)
    for (int r = 0; r < columns / 2; ++r) {
      const int i = lane / 4 + r % 4 / 2 * 8, j = r / 4 * 8 + 2 * (lane % 4) + r % 2;
      float& C = parts[std::size_t(lane)].C[r];
      float sum = add ? C : 0;
      for (int k = 0; k < 16; ++k) sum += A[i][k] * B[j][k];
      C = sum;
    }
}

// Enqueues _product_ on the combined fragments of a warp
template <class Product>
void enqueue_product(PartOfProduct mine, const Product& product) {
  emulator::warp_collective(mine, [&](PartOfProduct* const* all) {
    WarpOfParts parts;
    for (std::size_t lane = 0; lane < 32; ++lane) parts[lane] = *all[lane];
    emulator::products().open.push_back([parts, product] { product(parts); });
  });
}

template <class T, int keys>
void multiply_scores(float (&S)[keys][4], uint64_t Q, uint64_t K, bool add, T) {
  const int first = threadIdx.x / 32 % 4 * 16;  // first row of the warp
  enqueue_product({&S[0][0], nullptr}, [=](const WarpOfParts& parts) {
    multiply<8 * keys>(
        parts, add, [&](int i, int k) { return element_of<T>(Q, first + i, k); },
        [&](int k, int j) { return element_of<T>(K, j, k); });
  });
}

template <class T, int columns>
void multiply_values(float (&O)[columns][4], const uint32_t (&P)[4], uint64_t V, T) {
  enqueue_product({&O[0][0], P}, [=](const WarpOfParts& parts) {
    multiply<8 * columns>(
        parts, true,
        [&](int i, int k) {
          const int lane = i % 8 * 4 + k % 8 / 2;
          return unpacked<T>(parts[std::size_t(lane)].A[i / 8 + k / 8 * 2], k % 2);
        },
        [&](int k, int c) { return element_of<T>(V, k, c); });
  });
}

template <class T>
void multiply_transposed(Fragment<64>& C, uint64_t A, uint64_t B, bool add, T) {
  const int first = threadIdx.x / 32 % 4 * 16;  // first row of the warp
  enqueue_product({&C[0][0], nullptr}, [=](const WarpOfParts& parts) {
    multiply<64>(
        parts, add, [&](int i, int k) { return element_of<T>(A, k, first + i); },
        [&](int k, int j) { return element_of<T>(B, k, j); });
  });
}

}  // namespace ringattn::gpu
