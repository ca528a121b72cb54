#pragma once

#include "gpu/kernels/ptx.cuh"
#include "gpu/kernels/swizzle.h"
#include "gpu/kernels/tensor_map.h"

// gpu/kernels/hopper.cuh of the emulated device: the same functions, as the PTX ISA describes what they do.
namespace ringattn::gpu {

// ---- Barriers that count bytes ------------------------------------------------------------

struct Barrier {
  uint8_t parity;  // of the phase that goes on
  uint8_t expected;
  int16_t awaited;  // threads
  int32_t bytes;    // announced and not yet come

  void make(int arrivals) { *this = {0, static_cast<uint8_t>(arrivals), static_cast<int16_t>(arrivals), 0}; }
  // Others may be faster than this thread to do what they waited for
  void arrive() {
    come_here();
    emulator::wait_until([] { return true; });
  }
  void arrive_and_expect(int announced) {
    bytes += announced;
    come_here();
  }
  void wait(int phase) {
    emulator::wait_until([this, phase] { return parity != phase; });
  }
  void come(int count) {
    bytes -= count;
    end_phase();
  }

 private:
  void come_here() {
    --awaited;
    end_phase();
  }
  void end_phase() {
    if (awaited > 0 || bytes != 0) return;
    awaited = expected;
    parity ^= 1;
  }
};
static_assert(sizeof(Barrier) == 8);

inline void publish_barriers() {}

// ---- The copy engine ------------------------------------------------------------------------

inline void copy_box(void* shared, const TensorMap& map, int column, int row, int head, Barrier& arrived) {
  emulator::later([=, &map, &arrived] {
    for (int r = 0; r < map.box_rows; ++r)
      for (int c = 0; c < 64; ++c) {
        const bool there = row + r < map.rows && column + c < map.columns && head < map.heads;
        const std::size_t place = (std::size_t(head) * map.rows + row + r) * map.columns + column + c;
        uint16_t* const element = element_at(shared, 128 * r + 2 * c);
        *element = *emulator::published(element) = there ? map.matrices[place] : uint16_t{0};
      }
    arrived.come(map.box_rows * 128);
  });
}

inline void publish_writes() {
  for (uint32_t* const written : emulator::unpublished()) *emulator::published(written) = *written;
  emulator::unpublished().clear();
}

// ---- Sums in global memory --------------------------------------------------------------------

inline void add_pair(float* global, float x, float y) { global[0] += x, global[1] += y; }

// ---- Registers, and taking turns ----------------------------------------------------------

template <int>
void have_fewer_registers() {}
template <int>
void have_more_registers() {}

inline void wait_for_each_other(int id, int threads) { emulator::come_to_barrier(id, threads, true); }
inline void wait_for_turn(int id, int threads) { emulator::come_to_barrier(id, threads, true); }
inline void give_turn(int id, int threads) { emulator::come_to_barrier(id, threads, false); }

}  // namespace ringattn::gpu
