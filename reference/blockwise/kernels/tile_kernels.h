#pragma once

#include <span>
#include <string_view>
#include <type_traits>

#include "reference/blockwise/kernels/matrix_view.h"

namespace ringattn {

// The arithmetic of a pair of tiles, compiled for one level of processors: the two products of the forward pass and the
// five of the backward pass, and the exponential.
template <class T>
struct TileKernels {
  // C = scale A B   C += scale A B. The columns of C are contiguous
  void (*multiply)(T scale, MatrixView<const T> A, MatrixView<const T> B, MatrixView<T> C);
  void (*multiply_add)(T scale, MatrixView<const T> A, MatrixView<const T> B, MatrixView<T> C);

  // The largest of _count_ numbers but NaN; -infinity if there is none
  T (*largest)(const T* x, std::ptrdiff_t count);

  // x = exp(x - shift) for _count_ numbers; returns their sum. Where exp underflows, the result is exactly 0; NaN stays
  // NaN
  T (*exponentiate)(T* x, std::ptrdiff_t count, T shift);
};

// Processors with the same vector instructions, and the kernels that use them.
struct ProcessorLevel {
  std::string_view name;
  TileKernels<float> f32;
  TileKernels<double> f64;

  template <class T>
  const TileKernels<T>& kernels() const {
    if constexpr (std::is_same_v<T, float>)
      return f32;
    else
      return f64;
  }
};

// Each is defined by the source of its name, which is compiled for its level. The last two exist on x86-64 only
extern const ProcessorLevel baseline, avx2, avx512;

// The levels that this processor supports, the fastest last. The results of two levels differ by rounding
std::span<const ProcessorLevel> processor_levels();

// The kernels of the fastest level
template <class T>
const TileKernels<T>& tile_kernels() {
  static const TileKernels<T>& fastest = processor_levels().back().kernels<T>();
  return fastest;
}

// C = scale A B   C += scale A B, for matrices of Eigen that lie in memory, or their transposes
template <class Left, class Right, class Result>
void multiply(typename Left::Scalar scale, const Left& A, const Right& B, Result&& C) {
  tile_kernels<typename Left::Scalar>().multiply(scale, view(A), view(B), view(C));
}
template <class Left, class Right, class Result>
void multiply_add(typename Left::Scalar scale, const Left& A, const Right& B, Result&& C) {
  tile_kernels<typename Left::Scalar>().multiply_add(scale, view(A), view(B), view(C));
}

}  // namespace ringattn
