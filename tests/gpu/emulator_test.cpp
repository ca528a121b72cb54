// The laws of the emulated device: it finds out what a kernel or a ring forgets.

#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "gpu/kernels/launch.cuh"
#include "gpu/kernels/ptx.cuh"
#include "gpu/runtime/memory.h"
#include "gpu/runtime/stream.h"
#include "tests/sentence.h"
#include "tests/trials.h"

using namespace ringattn;
using namespace ringattn::gpu;

namespace {

constexpr int threads = 64;
using Numbers = std::array<float, threads>;

// What a block of threads has left in _x_ when it is given as many NaN
template <class... Arguments>
Numbers left_by(void (*kernel)(float*, Arguments...), Arguments... arguments) {
  Stream stream;
  Memory memory(sizeof(Numbers));
  launch(kernel, dim3(1), threads, sizeof(Numbers), stream, static_cast<float*>(memory.data()), arguments...);
  Numbers found;
  stream.copy(&found, memory.data(), sizeof found);
  stream.finish();
  return found;
}

// How many of some runs differ from what is _right_
template <class Run>
int wrong_runs(float right, Run run) {
  int wrong = 0;
  for (int n = 0; n < 20; ++n) {
    const Numbers found = run();
    wrong += !std::all_of(found.begin(), found.end(), [&](float x) { return x == right; });
  }
  return wrong;
}

// ---- Kernels with an oversight each ------------------------------------------------------

__global__ void half_of_them_wait(float*, bool all) {
  if (all || threadIdx.x < threads / 2) __syncthreads();
}

// x[t] = 1, by way of a thread that is far away
__global__ void pass_through_shared_memory(float* x, bool with_barrier) {
  const int t = static_cast<int>(threadIdx.x);
  float* shared = shared_memory<float>();
  shared[t] = 1;
  if (with_barrier) __syncthreads();
  x[t] = shared[threads - 1 - t];
}

// x[t] = 1, by way of a copy that takes its time
__global__ void copy_to_shared_memory(float* x, bool with_wait) {
  const int t = static_cast<int>(threadIdx.x);
  float* shared = shared_memory<float>();
  x[t] = 1;
  __syncthreads();
  if (t % 4 == 0) copy_16_bytes(shared + t, x + t, true);
  commit_copies();
  if (with_wait) wait_for_copies<0>();
  __syncthreads();
  x[t] = shared[t];
  wait_for_copies<0>();
}

__global__ void take_from_shared_memory(float* x) { x[threadIdx.x] = shared_memory<float>()[threadIdx.x]; }

}  // namespace

TEST_CASE("threads that wait for each other for ever are found out") {
  CHECK_NOTHROW(left_by(half_of_them_wait, true));
  const std::string sentence = sentence_of([] { left_by(half_of_them_wait, false); });
  CHECK(contains(sentence, "[emulator] the threads of a block wait for each other for ever"));
}

TEST_CASE("a barrier that is missing is found out") {
  CHECK(wrong_runs(1, [] { return left_by(pass_through_shared_memory, true); }) == 0);
  CHECK(wrong_runs(1, [] { return left_by(pass_through_shared_memory, false); }) > 0);
}

TEST_CASE("a copy that nobody waits for is found out") {
  CHECK(wrong_runs(1, [] { return left_by(copy_to_shared_memory, true); }) == 0);
  CHECK(wrong_runs(1, [] { return left_by(copy_to_shared_memory, false); }) > 0);
}

TEST_CASE("streams that miss an event are found out") {
  const auto run = [](bool with_event) {
    Stream first, second;
    Mark written;
    Memory memory(sizeof(Numbers));
    Numbers found;
    first.fill(memory.data(), 0, sizeof found);
    first.record(written);
    if (with_event) second.wait_for(written);
    second.copy(&found, memory.data(), sizeof found);
    second.finish();
    return found;
  };
  CHECK(wrong_runs(0, [&] { return run(true); }) == 0);
  CHECK(wrong_runs(0, [&] { return run(false); }) > 0);
}

TEST_CASE("memory that nobody has written is NaN") {
  for (const Numbers& found : {left_by(half_of_them_wait, true), left_by(take_from_shared_memory)})
    for (const float x : found) CHECK(std::isnan(x));
}
