#include "gpu/bench/ceilings/gemm.h"

#include <cublas_v2.h>

#include "gpu/bench/normal_numbers.h"

namespace ringattn::gpu {

namespace {

void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw GpuError("[gpu] " + std::string(call) + " failed: " + cublasGetStatusString(status));
}

// A square matrix of normal numbers: zeros would draw less power and therefore take less time
DeviceBuffer normal_square(int extent, Stream& stream) {
  DeviceBuffer square(std::size_t{2} * extent * extent);
  DeviceBuffer first_row(sizeof(int));
  stream.fill(first_row.data(), 0, first_row.bytes());
  write_normal_numbers({1, 1, 1, 1, extent * extent}, static_cast<const int*>(first_row.data()), 1,
                       Element::bf16, square.data(), stream);
  stream.synchronize();
  return square;
}

}  // namespace

double gemm_tflops(Stopwatch& stopwatch, Stream& stream) {
  constexpr int extent = 8192, runs = 11;
  const DeviceBuffer A = normal_square(extent, stream), B = normal_square(extent, stream);
  DeviceBuffer C(A.bytes());
  cublasHandle_t handle;
  check(cublasCreate(&handle), "cublasCreate");
  check(cublasSetStream(handle, stream), "cublasSetStream");
  const float one = 1, zero = 0;
  const double seconds = stopwatch.median(runs, [&] {
    check(cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, extent, extent, extent, &one, A.data(), CUDA_R_16BF,
                       extent, B.data(), CUDA_R_16BF, extent, &zero, C.data(), CUDA_R_16BF, extent,
                       CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
  });
  cublasDestroy(handle);
  return 2.0 * extent * extent * extent / seconds * 1e-12;
}

}  // namespace ringattn::gpu
