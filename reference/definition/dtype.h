#pragma once

#include <string_view>
#include <type_traits>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/tensor.h"

namespace ringattn {

// The storage type of a tensor. Arithmetic is in double for f64 and in float for f32, bf16 and f16.
// i64 holds positions, segment ids and lengths.
enum class Dtype { f64, f32, bf16, f16, i64 };

inline constexpr Dtype all_dtypes[] = {Dtype::f64, Dtype::f32, Dtype::bf16, Dtype::f16, Dtype::i64};

// "f64", "f32", "bf16", "f16", "i64"
const char* name(Dtype dtype);

// The floating-point type of that name; throws BadInput if there is none
Dtype parse_dtype(std::string_view name);

Index bytes_per_element(Dtype dtype);

// The largest relative error of rounding to a floating-point type: 2^-53 (f64), 2^-24 (f32), 2^-8 (bf16),
// 2^-11 (f16). Throws BadInput for i64.
double unit_roundoff(Dtype dtype);

// Rounds a double to float "to odd": returns x if it is a float; else the neighbouring float towards zero with its
// last bit set. NaN stays NaN. Rounding the result to nearest, in a type at least two bits narrower, equals
// rounding x directly: this avoids double rounding (Boldo and Melquiond, Emulation of FMA and correctly rounded sums,
// doi:10.1109/TC.2007.70819).
float rounded_to_odd(double x);

// x in the type Storage: double, float, Eigen::bfloat16 or Eigen::half. Rounded once, to nearest, ties to even;
// overflow gives infinity.
template <class Storage>
Storage stored_as(double x) {
  if constexpr (sizeof(Storage) >= sizeof(float))
    return static_cast<Storage>(x);
  else
    return Storage(rounded_to_odd(x));
}

// Calls f(std::type_identity<Storage>()), where Storage is the C++ type of the floating-point _dtype_.
// Throws BadInput for i64.
template <class F>
decltype(auto) with_storage_type(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::f64:
      return f(std::type_identity<double>());
    case Dtype::f32:
      return f(std::type_identity<float>());
    case Dtype::bf16:
      return f(std::type_identity<Eigen::bfloat16>());
    case Dtype::f16:
      return f(std::type_identity<Eigen::half>());
    case Dtype::i64:
      break;
  }
  throw BadInput("[dtype] expected a floating-point type; found i64; use f64, f32, bf16 or f16");
}

// x, rounded to the floating-point type _dtype_ and converted back
double rounded(double x, Dtype dtype);

// Rounds every element of the tensor, likewise
template <class T>
void round_to(Dtype dtype, Tensor<T>& tensor);

}  // namespace ringattn
