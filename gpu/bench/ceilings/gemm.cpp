#include "gpu/bench/ceilings/gemm.h"

#include <cublas_v2.h>
#include <dlfcn.h>

#include <limits>

#include "gpu/bench/normal_numbers.h"

namespace ringattn::gpu {

namespace {

// ---- cuBLAS ---------------------------------------------------------------------------------

// cublas_v2.h defines the names of some functions as macros; this is what they stand for
#define SYMBOL(name) SYMBOL_TEXT(name)
#define SYMBOL_TEXT(name) #name

// The functions of cuBLAS, loaded when the benchmark needs them: a program that is linked to cuBLAS takes 0.1 s and
// 200 MB more at each start.
class Cublas {
 public:
  Cublas() {
    for (const char* file : {"libcublas.so." SYMBOL(CUBLAS_VER_MAJOR), RINGATTN_CUBLAS})
      if (!library_) library_ = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    load(create, SYMBOL(cublasCreate));
    load(destroy, SYMBOL(cublasDestroy));
    load(set_stream, SYMBOL(cublasSetStream));
    load(gemm_ex, "cublasGemmEx");
    load(status_text, "cublasGetStatusString");
  }

  bool is_loaded() const { return create && destroy && set_stream && gemm_ex && status_text; }

  void check(cublasStatus_t status, const char* call) const {
    if (status != CUBLAS_STATUS_SUCCESS)
      throw GpuError("[gpu] " + std::string(call) + " failed: " + status_text(status));
  }

  decltype(&cublasCreate) create = nullptr;
  decltype(&cublasDestroy) destroy = nullptr;
  decltype(&cublasSetStream) set_stream = nullptr;
  decltype(&cublasGetStatusString) status_text = nullptr;

  // cublasGemmEx has an overload, so decltype cannot name its type
  cublasStatus_t (*gemm_ex)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int m, int n, int k,
                            const void* alpha, const void* A, cudaDataType, int lda, const void* B,
                            cudaDataType, int ldb, const void* beta, void* C, cudaDataType, int ldc,
                            cublasComputeType_t, cublasGemmAlgo_t) = nullptr;

 private:
  template <class Function>
  void load(Function& function, const char* symbol) {
    if (library_) function = reinterpret_cast<Function>(dlsym(library_, symbol));
  }

  void* library_ = nullptr;  // stays loaded to the end of the program
};

// ---- The product ----------------------------------------------------------------------------

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
  const Cublas cublas;
  if (!cublas.is_loaded()) return std::numeric_limits<double>::quiet_NaN();

  constexpr int extent = 8192, runs = 11;
  const DeviceBuffer A = normal_square(extent, stream), B = normal_square(extent, stream);
  DeviceBuffer C(A.bytes());
  cublasHandle_t handle;
  cublas.check(cublas.create(&handle), "cublasCreate");
  cublas.check(cublas.set_stream(handle, stream), "cublasSetStream");
  const float one = 1, zero = 0;
  const double seconds = stopwatch.median(runs, [&] {
    cublas.check(cublas.gemm_ex(handle, CUBLAS_OP_T, CUBLAS_OP_N, extent, extent, extent, &one, A.data(),
                                CUDA_R_16BF, extent, B.data(), CUDA_R_16BF, extent, &zero, C.data(),
                                CUDA_R_16BF, extent, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                 "cublasGemmEx");
  });
  cublas.destroy(handle);
  return 2.0 * extent * extent * extent / seconds * 1e-12;
}

}  // namespace ringattn::gpu
