#pragma once

#include <math.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include "tests/gpu/emulator/streams.h"
#include "tests/gpu/emulator/thread_block.h"

// The part of the CUDA runtime that gpu/ uses, on an emulated device: kernels are compiled as C++, and their threads
// take turns. This header replaces the one of the CUDA Toolkit.

// ---- Language -----------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __launch_bounds__(...)
#define __grid_constant__

using emulator::dim3;
using emulator::uint3;
inline emulator::uint3 threadIdx, blockIdx;
inline dim3 gridDim;

struct alignas(8) float2 {
  float x, y;
};

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }

inline void __syncthreads() { emulator::sync_block(); }
inline void __syncwarp() { emulator::sync_warp(); }

inline float __shfl_xor_sync(unsigned, float x, int mask) {
  struct Exchange {
    float mine, result;
    int mask;
  } exchange{x, 0, mask};
  emulator::warp_collective(exchange, [](Exchange* const* lanes) {
    for (int i = 0; i < 32; ++i) lanes[i]->result = lanes[i ^ lanes[i]->mask]->mine;
  });
  return exchange.result;
}

inline unsigned __ballot_sync(unsigned, bool vote) {
  struct Exchange {
    bool mine;
    unsigned result;
  } exchange{vote, 0};
  emulator::warp_collective(exchange, [](Exchange* const* lanes) {
    unsigned votes = 0;
    for (int i = 0; i < 32; ++i) votes |= static_cast<unsigned>(lanes[i]->mine) << i;
    for (int i = 0; i < 32; ++i) lanes[i]->result = votes;
  });
  return exchange.result;
}
template <class T>
T __shfl_sync(unsigned, T x, int lane) {
  struct Exchange {
    T mine, result;
    int lane;
  } exchange{x, x, lane};
  emulator::warp_collective(exchange, [](Exchange* const* lanes) {
    for (int i = 0; i < 32; ++i) lanes[i]->result = lanes[lanes[i]->lane]->mine;
  });
  return exchange.result;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }

// No other thread block runs at the same time
inline unsigned atomicInc(unsigned* number, unsigned last) {
  return std::exchange(*number, *number >= last ? 0 : *number + 1);
}

// ---- Runtime ------------------------------------------------------------------------------

using cudaStream_t = emulator::Stream*;
using cudaEvent_t = emulator::Event*;

enum cudaError_t {
  cudaSuccess,
  cudaErrorInvalidValue,
  cudaErrorMemoryAllocation,
  cudaErrorNoDevice,
  cudaErrorNotReady,
  cudaErrorLaunchFailure
};
enum cudaMemcpyKind {
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount,
  cudaDevAttrComputeCapabilityMajor,
  cudaDevAttrL2CacheSize
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum { cudaStreamNonBlocking = 1 };

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

struct cudaDeviceProp {
  char name[256];
  int major, minor;
};

const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceSynchronize();

cudaError_t cudaMalloc(void** memory, std::size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int byte, std::size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);

// Opts in to more than 48 KiB of shared memory per block; Hopper has 227
template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel, cudaFuncAttribute, int bytes) {
  return bytes <= 227 * 1024 ? cudaSuccess : cudaErrorInvalidValue;
}

template <class... Expected, class... Actual>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Expected...),
                               const Actual&... actual) {
  const dim3 grid = config->gridDim, block = config->blockDim;
  if (grid.y > 65535 || grid.z > 65535 || block.x > 1024 || block.x % 32 != 0) return cudaErrorInvalidValue;
  const std::size_t shared_bytes = config->dynamicSmemBytes;
  emulator::enqueue(config->stream, [=] {
    gridDim = grid;
    emulator::run_grid(grid, static_cast<int>(block.x), shared_bytes, blockIdx, threadIdx,
                       [&] { kernel(actual...); });
  });
  return cudaSuccess;
}
