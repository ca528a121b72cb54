#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

// The threads of one block of an emulated device. They take turns on one CPU thread: each runs until it has to wait,
// then another continues, in random order; some are as slow as possible. A missing barrier therefore causes a
// visible error, and a deadlock is detected.
namespace emulator {

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned columns = 1, unsigned rows = 1, unsigned layers = 1) : x(columns), y(rows), z(layers) {}
};

// Calls _kernel_ for each thread of each block, blocks in random order; _block_ and _thread_ identify the current
// thread. Throws std::runtime_error on a deadlock, and rethrows any exception of a thread.
void run_grid(dim3 grid, int threads, std::size_t shared_bytes, uint3& block, uint3& thread,
              const std::function<void()>& kernel);

// ---- For the current thread -----------------------------------------------------------

// Lets other threads run until _ready_
void wait_until(const std::function<bool()>& ready);

void sync_block();  // waits for all threads of the block
void sync_warp();   // waits for all threads of the warp

// Like barrier.cta with a number: the last of the given number of threads to arrive releases those that wait
void arrive_at_barrier(int id, int threads, bool wait);

// Shared memory, filled with NaN when the block begins. There are two views: that of the threads, and that of
// wgmma and TMA, which contains the data of TMA and the published writes of threads
void* shared_bytes();
void* async_proxy_bytes();

// The same location in the other view
template <class T>
T* async_proxy_view(T* shared) {
  const auto offset = reinterpret_cast<char*>(shared) - static_cast<char*>(shared_bytes());
  return reinterpret_cast<T*>(static_cast<char*>(async_proxy_bytes()) + offset);
}

// The unpublished writes of the current thread
std::vector<uint32_t*>& unfenced_writes();

// The outstanding copies of the current thread, in groups, of which the last is still open. A block must not end
// before they are complete
struct Copy {
  void* shared;
  const void* global;  // null: zeros
};
std::deque<std::vector<Copy>>& copies();

// TMA copies: in any order, and as late as possible
void enqueue_tma(std::function<void()> work);

// The last thread of the warp to arrive calls _together_ on the arguments of all 32
void warp_collective(void* mine, const std::function<void(void* const*)>& together);

template <class Exchange, class Together>
void warp_collective(Exchange& mine, Together&& together) {
  warp_collective(static_cast<void*>(&mine),
                  [&](void* const* all) { together(reinterpret_cast<Exchange* const*>(all)); });
}

// The products of the current thread's warp
struct Products {
  std::deque<std::vector<std::function<void()>>> groups;  // committed, oldest first
  std::vector<std::function<void()>> open;
};
Products& products();

}  // namespace emulator
