#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstring>

#include "gpu/primitives/element.cuh"

// gpu/primitives/ptx.cuh for the emulated device: the same functions, with the semantics of the PTX ISA.
namespace ringattn::gpu {

template <class Shared>
Shared* shared_memory() {
  return reinterpret_cast<Shared*>(emulator::shared_bytes());
}

inline void write_shared(uint32_t* shared, uint32_t value) {
  *shared = value;
  emulator::unfenced_writes().push_back(shared);
}

// ---- Asynchronous copies ----------------------------------------------------------------

// Executed as late as possible
inline void cp_async_16(void* shared, const void* global, bool wanted) {
  emulator::copies().back().push_back({shared, wanted ? global : nullptr});
}
inline void cp_async_commit() { emulator::copies().emplace_back(); }
template <std::size_t all_but>
void cp_async_wait() {
  auto& groups = emulator::copies();
  while (groups.size() - 1 > all_but) {
    for (const emulator::Copy& copy : groups.front())
      copy.global ? std::memcpy(copy.shared, copy.global, 16) : std::memset(copy.shared, 0, 16);
    groups.pop_front();
  }
}

// ---- Tensor cores -----------------------------------------------------------------------

inline void ldmatrix(uint32_t (&r)[4], const void* row, bool transposed) {
  struct Exchange {
    uint32_t* r;
    const uint16_t* row;
    bool transposed;
  } exchange{r, static_cast<const uint16_t*>(row), transposed};
  emulator::warp_collective(exchange, [](Exchange* const* lanes) {
    for (int matrix = 0; matrix < 4; ++matrix)
      for (int i = 0; i < 32; ++i) {
        const auto element = [&](int r_of, int c_of) -> uint32_t {
          return lanes[8 * matrix + r_of]->row[c_of];
        };
        const int g = i / 4, t = i % 4;
        lanes[i]->r[matrix] = lanes[i]->transposed ? element(2 * t, g) | element(2 * t + 1, g) << 16
                                                   : element(g, 2 * t) | element(g, 2 * t + 1) << 16;
      }
  });
}
inline void ldmatrix(uint32_t (&r)[4], const void* row) { ldmatrix(r, row, false); }
inline void ldmatrix_transposed(uint32_t (&r)[4], const void* row) { ldmatrix(r, row, true); }

// One of the two adjacent elements in a register
template <class T>
float unpacked(uint32_t pair, int which) {
  const auto bits = static_cast<uint16_t>(pair >> 16 * which);
  return to_float(reinterpret_cast<const T&>(bits));
}

template <class T>
void mma(float (&C)[4], const uint32_t (&A)[4], uint32_t B0, uint32_t B1, T) {
  struct Exchange {
    float* C;
    const uint32_t* A;
    uint32_t B[2];
  } exchange{C, A, {B0, B1}};
  emulator::warp_collective(exchange, [](Exchange* const* lanes) {
    float left[16][16], right[16][8];
    for (int i = 0; i < 32; ++i)
      for (int e = 0; e < 8; ++e) {
        const int g = i / 4, t = i % 4, r = e / 2, second = e % 2;
        left[g + r % 2 * 8][2 * t + r / 2 * 8 + second] = unpacked<T>(lanes[i]->A[r], second);
        if (r < 2) right[2 * t + r * 8 + second][g] = unpacked<T>(lanes[i]->B[r], second);
      }
    for (int i = 0; i < 32; ++i)
      for (int e = 0; e < 4; ++e)
        for (int k = 0; k < 16; ++k)
          lanes[i]->C[e] += left[i / 4 + e / 2 * 8][k] * right[k][2 * (i % 4) + e % 2];
  });
}

// ---- Softmax ----------------------------------------------------------------------------

inline uint32_t pack(float low, float high, bf16) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t packed;
  std::memcpy(&packed, &pair, sizeof packed);
  return packed;
}
inline uint32_t pack(float low, float high, f16) {
  const __half2 pair = __floats2half2_rn(low, high);
  uint32_t packed;
  std::memcpy(&packed, &pair, sizeof packed);
  return packed;
}

inline float exp2_approx(float x) { return exp2f(x); }

}  // namespace ringattn::gpu
