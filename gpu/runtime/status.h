#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace ringattn::gpu {

// A failed call of the CUDA runtime.
class GpuError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws GpuError with the call, its source line and the device unless _status_ is cudaSuccess
void check(cudaError_t status, const char* call, const char* file, int line);

}  // namespace ringattn::gpu

#define CHECK_CUDA(call) ::ringattn::gpu::check((call), #call, __FILE__, __LINE__)
