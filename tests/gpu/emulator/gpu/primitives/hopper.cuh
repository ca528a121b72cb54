#pragma once

#include "gpu/primitives/ptx.cuh"
#include "gpu/primitives/swizzle.h"
#include "gpu/primitives/tensor_map.h"

// gpu/primitives/hopper.cuh for the emulated device: the same functions, with the semantics of the PTX ISA.
namespace ringattn::gpu {

// ---- Barriers that count bytes ------------------------------------------------------------

struct MBarrier {
  uint8_t parity;  // of the current phase
  uint8_t expected;
  int16_t pending;  // threads
  int32_t bytes;    // expected and not yet arrived

  void init(int arrivals) { *this = {0, static_cast<uint8_t>(arrivals), static_cast<int16_t>(arrivals), 0}; }
  // Other threads may act on the completed phase before this one
  void arrive() {
    arrive_once();
    emulator::wait_until([] { return true; });
  }
  void arrive_and_expect_tx(int announced) {
    bytes += announced;
    arrive_once();
  }
  void wait(int phase) {
    emulator::wait_until([this, phase] { return parity != phase; });
  }
  void complete_tx(int count) {
    bytes -= count;
    end_phase();
  }

 private:
  void arrive_once() {
    --pending;
    end_phase();
  }
  void end_phase() {
    if (pending > 0 || bytes != 0) return;
    pending = expected;
    parity ^= 1;
  }
};
static_assert(sizeof(MBarrier) == 8);

inline void fence_barrier_init() {}

// ---- TMA --------------------------------------------------------------------------------------

inline void tma_load_box(void* shared, const TensorMap& map, int column, int row, int head,
                         MBarrier& arrived) {
  emulator::enqueue_tma([=, &map, &arrived] {
    for (int r = 0; r < map.box_rows; ++r)
      for (int c = 0; c < 64; ++c) {
        const bool there = row + r < map.rows && column + c < map.columns && head < map.heads;
        const std::size_t place = (std::size_t(head) * map.rows + row + r) * map.columns + column + c;
        uint16_t* const element = element_at(shared, 128 * r + 2 * c);
        *element = *emulator::async_proxy_view(element) = there ? map.matrices[place] : uint16_t{0};
      }
    arrived.complete_tx(map.box_rows * 128);
  });
}

inline void fence_proxy_async() {
  for (uint32_t* const written : emulator::unfenced_writes()) *emulator::async_proxy_view(written) = *written;
  emulator::unfenced_writes().clear();
}

// ---- Reductions in global memory --------------------------------------------------------------

inline void red_add_pair(float* global, float x, float y) { global[0] += x, global[1] += y; }

// ---- Registers and named barriers ---------------------------------------------------------

template <int>
void warpgroup_reg_dealloc() {}
template <int>
void warpgroup_reg_alloc() {}

inline void named_barrier_sync(int id, int threads) { emulator::arrive_at_barrier(id, threads, true); }
inline void named_barrier_arrive(int id, int threads) { emulator::arrive_at_barrier(id, threads, false); }

}  // namespace ringattn::gpu
