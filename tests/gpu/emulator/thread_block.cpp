#include "tests/gpu/emulator/thread_block.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

namespace emulator {

namespace {

constexpr std::size_t stack_bytes = 256 * 1024, most_shared_bytes = 227 * 1024;

struct Barrier {
  int arrived = 0;
  long generation = 0;
};

// A context gives each thread its stack; later switches are jumps, which need no system call
struct Thread {
  ucontext_t context;
  jmp_buf place;
  bool begun = false;
  std::unique_ptr<char[]> stack{new char[stack_bytes]};
  std::function<bool()> ready;  // when it may continue; empty: now
  std::vector<uint32_t*> unfenced_writes;
  std::deque<std::vector<Copy>> copies;
  bool ended = false;
};

struct Warp {
  Barrier barrier;
  std::array<void*, 32> brought{};
  Products products;
};

// The one thread block that runs
struct Block {
  std::vector<std::unique_ptr<Thread>> threads;  // reused by the next block: stacks are large
  int size = 0, turn = 0;
  jmp_buf scheduler;
  const std::function<void()>* kernel = nullptr;
  std::exception_ptr error;
  Barrier barrier;
  std::vector<Warp> warps;
  int first_slow = 0, after_slow = 0;  // threads
  bool tma_is_slower = false;          // than the slow threads
  std::array<Barrier, 16> numbered;
  std::vector<std::function<void()>> pending;  // TMA copies
  std::mt19937 random{1};
  alignas(1024) std::array<unsigned char, most_shared_bytes> shared, published;
} block;

void run_thread() {
  try {
    (*block.kernel)();
  } catch (...) {
    block.error = std::current_exception();
  }
  block.threads[static_cast<std::size_t>(block.turn)]->ended = true;
  _longjmp(block.scheduler, 1);
}

void resume(Thread& thread) {
  thread.ready = {};
  if (_setjmp(block.scheduler)) return;
  if (std::exchange(thread.begun, true)) _longjmp(thread.place, 1);
  setcontext(&thread.context);
}

void wait_at(Barrier& barrier, int expected) {
  const long generation = barrier.generation;
  if (++barrier.arrived == expected) {
    barrier.arrived = 0;
    ++barrier.generation;
    return;
  }
  wait_until([&barrier, generation] { return barrier.generation != generation; });
}

Warp& warp() { return block.warps[static_cast<std::size_t>(block.turn / 32)]; }

// Executes one of the requested copies, chosen at random
void run_some_tma_load() {
  const std::size_t which = block.random() % block.pending.size();
  const std::function<void()> work = std::move(block.pending[which]);
  block.pending.erase(block.pending.begin() + static_cast<std::ptrdiff_t>(which));
  work();
}

void prepare_block(int size) {
  block.size = size;
  block.barrier = {};
  block.numbered = {};
  block.warps.assign(static_cast<std::size_t>(size) / 32, {});
  block.shared.fill(0xff);
  block.published.fill(0xff);
  while (block.threads.size() < static_cast<std::size_t>(size))
    block.threads.push_back(std::make_unique<Thread>());
  for (int t = 0; t < size; ++t) {
    Thread& thread = *block.threads[static_cast<std::size_t>(t)];
    thread.begun = thread.ended = false, thread.ready = {}, thread.unfenced_writes.clear(),
    thread.copies = {{}};
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.get();
    thread.context.uc_stack.ss_size = stack_bytes;
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, run_thread, 0);
  }
}

// Gives a turn to each of these threads that may continue; false if there is none
template <class Wanted>
bool give_turns(const std::vector<int>& order, uint3& index, const Wanted& wanted) {
  bool any = false;
  for (const int t : order) {
    Thread& thread = *block.threads[static_cast<std::size_t>(t)];
    if (!wanted(t) || thread.ended || (thread.ready && !thread.ready())) continue;
    any = true;
    block.turn = t;
    index.x = static_cast<unsigned>(t);
    resume(thread);
    if (block.error) std::rethrow_exception(std::exchange(block.error, nullptr));
  }
  return any;
}

// Slow threads and TMA act only if all others are blocked; false if nothing can proceed
bool take_turns(std::vector<int>& order, uint3& index) {
  std::shuffle(order.begin(), order.end(), block.random);
  const auto slow = [](int t) { return block.first_slow <= t && t < block.after_slow; };
  if (give_turns(order, index, [&](int t) { return !slow(t); })) return true;
  for (const bool engine : {!block.tma_is_slower, block.tma_is_slower}) {
    if (!engine && give_turns(order, index, slow)) return true;
    if (engine && !block.pending.empty()) return run_some_tma_load(), true;
  }
  return false;
}

// Chooses a slow warp, a slow thread or none, and whether TMA is slower still
void choose_who_is_slow() {
  const int extent = std::array{0, 1, 32}[block.random() % 3];
  block.first_slow = static_cast<int>(block.random() % static_cast<unsigned>(block.size)) / 32 * 32;
  if (extent == 1) block.first_slow += static_cast<int>(block.random() % 32);
  block.after_slow = block.first_slow + extent;
  block.tma_is_slower = block.random() % 2;
}

void run_block(int size, uint3& thread) {
  prepare_block(size);
  std::vector<int> order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  choose_who_is_slow();
  const auto all_ended = [&] {
    return std::all_of(order.begin(), order.end(),
                       [](int t) { return block.threads[static_cast<std::size_t>(t)]->ended; });
  };
  const auto all_copied = [&] {
    return block.pending.empty() && std::all_of(order.begin(), order.end(), [](int t) {
             const auto& groups = block.threads[static_cast<std::size_t>(t)]->copies;
             return groups.size() == 1 && groups.front().empty();
           });
  };
  while (!all_ended())
    if (!take_turns(order, thread))
      throw std::runtime_error("[emulator] the threads of a block are deadlocked");
  if (!all_copied()) throw std::runtime_error("[emulator] a block ends before its copies have arrived");
  for (const Barrier& barrier : block.numbered)
    if (barrier.arrived != 0)
      throw std::runtime_error("[emulator] a block ends while threads still wait at a barrier");
}

}  // namespace

void run_grid(dim3 grid, int threads, std::size_t shared_bytes, uint3& index, uint3& thread,
              const std::function<void()>& kernel) {
  if (shared_bytes > most_shared_bytes) throw std::runtime_error("[emulator] too much shared memory");
  block.kernel = &kernel;
  std::vector<unsigned> order(std::size_t{grid.x} * grid.y * grid.z);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), block.random);
  for (const unsigned n : order) {
    index = {n % grid.x, n / grid.x % grid.y, n / grid.x / grid.y};
    run_block(threads, thread);
  }
}

void wait_until(const std::function<bool()>& ready) {
  Thread& thread = *block.threads[static_cast<std::size_t>(block.turn)];
  thread.ready = ready;
  if (!_setjmp(thread.place)) _longjmp(block.scheduler, 1);
}

void sync_block() { wait_at(block.barrier, block.size); }
void sync_warp() { wait_at(warp().barrier, 32); }
void* shared_bytes() { return block.shared.data(); }
void* async_proxy_bytes() { return block.published.data(); }

std::deque<std::vector<Copy>>& copies() {
  return block.threads[static_cast<std::size_t>(block.turn)]->copies;
}

std::vector<uint32_t*>& unfenced_writes() {
  return block.threads[static_cast<std::size_t>(block.turn)]->unfenced_writes;
}

void arrive_at_barrier(int id, int threads, bool wait) {
  Barrier& barrier = block.numbered[static_cast<std::size_t>(id)];
  if (wait) return wait_at(barrier, threads);
  if (++barrier.arrived < threads) return;
  barrier.arrived = 0;
  ++barrier.generation;
}

void enqueue_tma(std::function<void()> work) { block.pending.push_back(std::move(work)); }

void warp_collective(void* mine, const std::function<void(void* const*)>& together) {
  Warp& all = warp();
  all.brought[static_cast<std::size_t>(block.turn % 32)] = mine;
  if (all.barrier.arrived == 31) together(all.brought.data());
  wait_at(all.barrier, 32);
}

Products& products() { return warp().products; }

}  // namespace emulator
