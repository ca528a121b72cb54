#pragma once

#include <array>

#include "gpu/kernels/fragment.cuh"
#include "gpu/kernels/ptx.cuh"
#include "gpu/kernels/swizzle.h"

// gpu/kernels/wgmma.cuh of the emulated device. Products are done as late as can be: when somebody waits.
namespace ringattn::gpu {

// ---- Order --------------------------------------------------------------------------------

inline void begin_products() {}

inline void commit_products() {
  int nothing = 0;
  emulator::for_whole_warp<128>(nothing, [](int* const*) {
    emulator::Products& all = emulator::products();
    all.groups.push_back(std::move(all.open));
    all.open.clear();
  });
}

template <int groups>
void wait_for_products() {
  int nothing = 0;
  emulator::for_whole_warp<128>(nothing, [](int* const*) {
    emulator::Products& all = emulator::products();
    while (all.groups.size() > std::size_t{groups}) {
      for (const auto& product : all.groups.front()) product();
      all.groups.pop_front();
    }
  });
}

// ---- Factors ------------------------------------------------------------------------------

// An offset into shared memory and the distance of the next 64 columns
inline uint64_t matrix_at(const void* shared, int next_columns = 16) {
  const auto offset = static_cast<const char*>(shared) - static_cast<const char*>(emulator::shared_bytes());
  return static_cast<uint64_t>(offset) | uint64_t(next_columns) << 32;
}

template <class T>
float element_of(uint64_t matrix, int row, int column) {
  char* const begin = static_cast<char*>(emulator::shared_bytes()) + (matrix & 0xffffffff);
  const int next_columns = static_cast<int>(matrix >> 32);
  return to_float(reinterpret_cast<const T&>(
      *element_at(begin, row / 8 * 1024 + row % 8 * 128 + column / 64 * next_columns + column % 64 * 2)));
}

// ---- Products -----------------------------------------------------------------------------

// A thread's part of a product: C += A B
struct PartOfProduct {
  float* C;           // a fragment
  const uint32_t* A;  // of a left factor in registers
};

// The element of C that thread _thread_ of a warpgroup holds in its register _r_
inline int row_of(int thread, int r) { return thread / 32 * 16 + thread % 32 / 4 + r % 4 / 2 * 8; }
inline int column_of(int thread, int r) { return r / 4 * 8 + 2 * (thread % 4) + r % 2; }

// C += A B with A (64, 16) and B (16, columns), or C = A B; left(i, k) and right(k, j) are their elements
template <int columns, class Left, class Right>
void multiply(const std::array<PartOfProduct, 128>& parts, bool add, const Left& left, const Right& right) {
  float A[64][16], B[columns][16];
  for (int k = 0; k < 16; ++k) {
    for (int i = 0; i < 64; ++i) A[i][k] = left(i, k);
    for (int j = 0; j < columns; ++j) B[j][k] = right(k, j);
  }
  for (int thread = 0; thread < 128; ++thread)
    for (int r = 0; r < columns / 2; ++r) {
      float& C = parts[std::size_t(thread)].C[r];
      float sum = add ? C : 0;
      for (int k = 0; k < 16; ++k) sum += A[row_of(thread, r)][k] * B[column_of(thread, r)][k];
      C = sum;
    }
}

// Enqueues what _product_ makes of the parts of all 128 threads
template <class Product>
void enqueue_product(PartOfProduct mine, const Product& product) {
  emulator::for_whole_warp<128>(mine, [&](PartOfProduct* const* all) {
    std::array<PartOfProduct, 128> parts;
    for (std::size_t thread = 0; thread < 128; ++thread) parts[thread] = *all[thread];
    emulator::products().open.push_back([parts, product] { product(parts); });
  });
}

template <class T, int keys>
void multiply_scores(float (&S)[keys][4], uint64_t Q, uint64_t K, bool add, T) {
  enqueue_product({&S[0][0], nullptr}, [=](const std::array<PartOfProduct, 128>& parts) {
    multiply<8 * keys>(
        parts, add, [&](int i, int k) { return element_of<T>(Q, i, k); },
        [&](int k, int j) { return element_of<T>(K, j, k); });
  });
}

template <class T, int columns>
void multiply_values(float (&O)[columns][4], const uint32_t (&P)[4], uint64_t V, T) {
  enqueue_product({&O[0][0], P}, [=](const std::array<PartOfProduct, 128>& parts) {
    multiply<8 * columns>(
        parts, true,
        [&](int i, int k) {
          const int thread = i / 16 * 32 + i % 8 * 4 + k % 8 / 2;
          return unpacked<T>(parts[std::size_t(thread)].A[i % 16 / 8 + k / 8 * 2], k % 2);
        },
        [&](int k, int c) { return element_of<T>(V, k, c); });
  });
}

}  // namespace ringattn::gpu
