#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

// The threads of one block of an emulated device. They take turns on one thread of the processor: each runs
// until it has to wait, then another does, in random order; some are as slow as can be. So a barrier that is
// missing shows, and threads that wait for each other for ever are found out.
namespace emulator {

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned columns = 1, unsigned rows = 1, unsigned layers = 1) : x(columns), y(rows), z(layers) {}
};

// Calls _kernel_ for each thread of each block, blocks in random order; _block_ and _thread_ say whose turn
// it is. Throws std::runtime_error where threads wait for ever, and whatever a thread throws.
void run_grid(dim3 grid, int threads, std::size_t shared_bytes, uint3& block, uint3& thread,
              const std::function<void()>& kernel);

// ---- For the thread whose turn it is --------------------------------------------------

// Lets others go on until _ready_
void wait_until(const std::function<bool()>& ready);

void sync_block();  // until all threads of the block are here
void sync_warp();   // until all threads of the warp are here

// As barrier.cta does with a number: of so many threads, the last to come lets those go on who wait
void arrive_at_barrier(int id, int threads, bool wait);

// Shared memory, filled with NaN when the block begins: as threads see it, and as products and the copy
// engine do, who find there what the engine has brought and what threads have published
void* shared_bytes();
void* async_proxy_bytes();

// The same place in the other view
template <class T>
T* async_proxy_view(T* shared) {
  const auto offset = reinterpret_cast<char*>(shared) - static_cast<char*>(shared_bytes());
  return reinterpret_cast<T*>(static_cast<char*>(async_proxy_bytes()) + offset);
}

// What the thread whose turn it is has written and not yet published
std::vector<uint32_t*>& unfenced_writes();

// The copies of the thread whose turn it is that it has not waited for: groups, of which the last is still
// open. A block must not end before them
struct Copy {
  void* shared;
  const void* global;  // null: zeros
};
std::deque<std::vector<Copy>>& copies();

// What the copy engine does: in any order, and as late as can be
void enqueue_tma(std::function<void()> work);

// The last thread of the warp that comes here lets _together_ work on what all 32 have brought
void warp_collective(void* mine, const std::function<void(void* const*)>& together);

template <class Exchange, class Together>
void warp_collective(Exchange& mine, Together&& together) {
  warp_collective(static_cast<void*>(&mine),
                  [&](void* const* all) { together(reinterpret_cast<Exchange* const*>(all)); });
}

// The products of the warp of the thread whose turn it is
struct Products {
  std::deque<std::vector<std::function<void()>>> groups;  // committed, oldest first
  std::vector<std::function<void()>> open;
};
Products& products();

}  // namespace emulator
