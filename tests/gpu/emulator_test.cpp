// Tests of the emulated device: it detects synchronization errors of kernels and rings.

#include <doctest/doctest.h>
#include <nccl.h>

#include <array>
#include <cmath>

#include "gpu/primitives/launch.cuh"
#include "gpu/runtime/device_buffer.h"
#include "gpu/runtime/stream.h"
#include "gpu/tiles/lane_rows.cuh"
#include "gpu/tiles/tma_tile.cuh"
#include "tests/gpu/gpu_problem.h"
#include "tests/support/error_message.h"
#include "tests/support/trials.h"

using namespace ringattn;
using namespace ringattn::gpu;

namespace {

constexpr int threads = 64;
using Numbers = std::array<float, threads>;

// The contents of _x_, initially NaN, after one thread block has run
template <class... Arguments>
Numbers left_by(void (*kernel)(float*, Arguments...), Arguments... arguments) {
  Stream stream;
  DeviceBuffer memory(sizeof(Numbers));
  launch(kernel, dim3(1), threads, sizeof(Numbers), stream, static_cast<float*>(memory.data()), arguments...);
  Numbers found;
  stream.copy(&found, memory.data(), sizeof found);
  stream.synchronize();
  return found;
}

// The number of runs whose result differs from _right_
template <class Run>
int wrong_runs(float right, Run run) {
  int wrong = 0;
  for (int n = 0; n < 20; ++n) {
    const Numbers found = run();
    wrong += !std::all_of(found.begin(), found.end(), [&](float x) { return x == right; });
  }
  return wrong;
}

// ---- Kernels with one error each ---------------------------------------------------------

__global__ void half_of_them_wait(float*, bool all) {
  if (all || threadIdx.x < threads / 2) __syncthreads();
}

// x[t] = 1, through a thread in another warp
__global__ void pass_through_shared_memory(float* x, bool with_barrier) {
  const int t = static_cast<int>(threadIdx.x);
  float* shared = shared_memory<float>();
  shared[t] = 1;
  if (with_barrier) __syncthreads();
  x[t] = shared[threads - 1 - t];
}

// The same with a numbered barrier
__global__ void pass_by_a_numbered_barrier(float* x, bool with_barrier) {
  const int t = static_cast<int>(threadIdx.x);
  float* shared = shared_memory<float>();
  shared[t] = 1;
  if (with_barrier) named_barrier_sync(3, threads);
  x[t] = shared[threads - 1 - t];
}

// x[t] = 1, through an asynchronous copy
__global__ void copy_to_shared_memory(float* x, bool with_wait) {
  const int t = static_cast<int>(threadIdx.x);
  float* shared = shared_memory<float>();
  x[t] = 1;
  __syncthreads();
  if (t % 4 == 0) cp_async_16(shared + t, x + t, true);
  cp_async_commit();
  if (with_wait) cp_async_wait<0>();
  __syncthreads();
  x[t] = shared[t];
  cp_async_wait<0>();
}

// Copies, and exits while copies may still be in flight
__global__ void copy_and_leave(float* x, bool with_commit) {
  x[threadIdx.x] = 1;
  cp_async_16(shared_memory<float>() + 4 * (threadIdx.x / 4), x, true);
  if (with_commit) cp_async_commit();
  cp_async_wait<0>();  // the committed ones
}

using Square = std::array<std::array<float, 64>, 64>;
constexpr int rows = 32;

// The value in row _row_ and column _column_ of tile _tile_
float number_in(int tile, int row, int column) {
  return static_cast<float>((7 * row + 3 * column + 5 * tile) % 13);
}

// C = A^T B, 64 columns of each
__global__ void multiply_boxes(Square* C, int a, int b, bool with_fence) {
  struct Shared {
    TmaTile<bf16, rows, 128> A, B;
  };
  Shared& shared = *shared_memory<Shared>();
  const int t = static_cast<int>(threadIdx.x);
  for (int row = 0; row < rows; ++row) {
    auto& tile = t < 64 ? shared.A : shared.B;
    const int which = t / 64, column = t % 64 * 2;
    tile.store_pair(row, column,
                    pack(number_in(which, row, column), number_in(which, row, column + 1), bf16()));
  }
  if (with_fence) fence_proxy_async();
  __syncthreads();
  Fragment<64> product;
  wgmma_fence();
  issue_transposed(product, shared.A, a, shared.B, b);
  wgmma_wait<0>();
  store_fragment<64>(product, (*C)[0].data(), lane_rows(t / 32 * 16, 63));
}

__global__ void take_from_shared_memory(float* x) { x[threadIdx.x] = shared_memory<float>()[threadIdx.x]; }

}  // namespace

TEST_CASE("a deadlock of threads is detected") {
  CHECK_NOTHROW(left_by(half_of_them_wait, true));
  const std::string sentence = error_message([] { left_by(half_of_them_wait, false); });
  CHECK(contains(sentence, "[emulator] the threads of a block are deadlocked"));
}

TEST_CASE("a missing barrier is detected") {
  for (const auto pass : {pass_through_shared_memory, pass_by_a_numbered_barrier}) {
    CHECK(wrong_runs(1, [&] { return left_by(pass, true); }) == 0);
    CHECK(wrong_runs(1, [&] { return left_by(pass, false); }) > 0);
  }
}

TEST_CASE("a missing wait for a copy is detected") {
  CHECK(wrong_runs(1, [] { return left_by(copy_to_shared_memory, true); }) == 0);
  CHECK(wrong_runs(1, [] { return left_by(copy_to_shared_memory, false); }) > 0);
}

TEST_CASE("a block that ends before its copies have arrived is detected") {
  CHECK_NOTHROW(left_by(copy_and_leave, true));
  const std::string sentence = error_message([] { left_by(copy_and_leave, false); });
  CHECK(contains(sentence, "[emulator] a block ends before its copies have arrived"));
}

TEST_CASE("a missing event between streams is detected") {
  const auto run = [](bool with_event) {
    Stream first, second;
    CudaEvent written;
    DeviceBuffer memory(sizeof(Numbers));
    Numbers found;
    first.fill(memory.data(), 0, sizeof found);
    first.record(written);
    if (with_event) second.wait_for(written);
    second.copy(&found, memory.data(), sizeof found);
    second.synchronize();
    return found;
  };
  CHECK(wrong_runs(0, [&] { return run(true); }) == 0);
  CHECK(wrong_runs(0, [&] { return run(false); }) > 0);
}

Square product_of_boxes(int a, int b, bool with_fence) {
  Stream stream;
  DeviceBuffer memory(sizeof(Square));
  launch(multiply_boxes, dim3(1), 128, 4 * rows * 128, stream, static_cast<Square*>(memory.data()), a, b,
         with_fence);
  Square found;
  stream.copy(&found, memory.data(), sizeof found);
  stream.synchronize();
  return found;
}

TEST_CASE("a product does not use writes of threads that were not published") {
  for (const auto& row : product_of_boxes(0, 1, false))
    for (const float x : row) CHECK(std::isnan(x));
}

TEST_CASE("columns of two tiles are multiplied correctly wherever their boxes lie") {
  for (const int a : {0, 1})
    for (const int b : {0, 1}) {
      const Square found = product_of_boxes(a, b, true);
      bool right = true;
      for (int i = 0; i < 64; ++i)
        for (int j = 0; j < 64; ++j) {
          float sum = 0;
          for (int k = 0; k < rows; ++k) sum += number_in(0, k, 64 * a + i) * number_in(1, k, 64 * b + j);
          right = right && found[std::size_t(i)][std::size_t(j)] == sum;
        }
      CHECK(right);
    }
}

TEST_CASE("uninitialized memory is NaN") {
  for (const Numbers& found : {left_by(half_of_them_wait, true), left_by(take_from_shared_memory)})
    for (const float x : found) CHECK(std::isnan(x));
}

namespace {

// The NCCL communicator of a single process
struct Alone {
  explicit Alone(int blocking) {
    ncclUniqueId id;
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = blocking;
    ncclGetUniqueId(&id);
    ncclCommInitRankConfig(&comm, 1, id, 0, &config);
  }
  ~Alone() { ncclCommDestroy(comm); }

  ncclResult_t send(const DeviceBuffer& from) {
    return ncclSend(from.data(), from.bytes(), ncclInt8, 0, comm, stream);
  }
  ncclResult_t receive(DeviceBuffer& to) {
    return ncclRecv(to.data(), to.bytes(), ncclInt8, 0, comm, stream);
  }
  ncclResult_t state() {
    ncclResult_t state = ncclSuccess;
    ncclCommGetAsyncError(comm, &state);
    return state;
  }

  ncclComm_t comm = nullptr;
  Stream stream;
};

}  // namespace

TEST_CASE("a send without a matching receive in its group is detected, and so is a wrong size") {
  Alone nccl(1);
  DeviceBuffer from(8), to(8), smaller(4);
  ncclGroupStart();
  CHECK(nccl.send(from) == ncclSuccess);
  CHECK(ncclGroupEnd() == ncclInvalidUsage);
  ncclGroupStart();
  nccl.send(from), nccl.receive(smaller);
  CHECK(ncclGroupEnd() == ncclInvalidUsage);
  CHECK(nccl.send(from) == ncclInvalidUsage);
}

TEST_CASE("nonblocking NCCL has enqueued its work on the stream when it reports completion, and not before") {
  Alone nccl(0);
  while (nccl.state() == ncclInProgress) {
  }
  DeviceBuffer from(8), to(8);
  nccl.stream.fill(from.data(), 7, 8), nccl.stream.fill(to.data(), 0, 8);
  const auto first_byte = [&] {
    nccl.stream.synchronize();
    return *static_cast<const char*>(to.data());
  };
  ncclGroupStart();
  nccl.send(from), nccl.receive(to);
  REQUIRE(ncclGroupEnd() == ncclInProgress);
  CHECK(first_byte() == 0);
  while (nccl.state() == ncclInProgress) {
  }
  CHECK(first_byte() == 7);
}

TEST_CASE("persistent thread blocks use all SMs of the GPU, and leave some free if NCCL needs them") {
  Random random(1);
  const GpuProblem five_tiles(random, Dtype::bf16,
                              {.B = 1, .Sq = 9, .Skv = 9, .Hq = 5, .Hkv = 5, .D = 64, .Dv = 64});
  on_gpu(five_tiles);
  CHECK(gridDim.x == 3);
  Communicator nccl;
  on_gpu(five_tiles, {RingOptions(), &nccl});
  CHECK(gridDim.x == 1);
}
