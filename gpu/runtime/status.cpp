#include "gpu/runtime/status.h"

namespace ringattn::gpu {

void check(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaSuccess) return;
  int device = -1;
  cudaGetDevice(&device);
  throw GpuError("[gpu] " + std::string(call) + " failed on device " + std::to_string(device) + ": " +
                 cudaGetErrorString(status) + " (" + file + ":" + std::to_string(line) + ")");
}

}  // namespace ringattn::gpu
