#include "gpu/runtime/device.h"

#include "gpu/runtime/status.h"

namespace ringattn::gpu {

namespace {

cudaDeviceProp properties() {
  int device = 0;
  CHECK_CUDA(cudaGetDevice(&device));
  cudaDeviceProp result{};
  CHECK_CUDA(cudaGetDeviceProperties(&result, device));
  return result;
}

}  // namespace

std::string unavailable_reason() {
  constexpr int oldest = 8;  // major number of the compute capability that kernels are compiled for
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) return "no CUDA device (" + std::string(cudaGetErrorString(status)) + ")";
  if (count == 0) return "no CUDA device";
  const cudaDeviceProp found = properties();
  if (found.major >= oldest) return {};
  return std::string(found.name) + " of compute capability " + std::to_string(found.major) + "." +
         std::to_string(found.minor);
}

int device_count() {
  int count = 0;
  CHECK_CUDA(cudaGetDeviceCount(&count));
  return count;
}

void set_device(int device) { CHECK_CUDA(cudaSetDevice(device)); }

std::string device_name() { return properties().name; }

}  // namespace ringattn::gpu
