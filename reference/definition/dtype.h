#pragma once

#include <string_view>
#include <type_traits>

#include "reference/definition/bad_input.h"
#include "reference/definition/tensor.h"

namespace ringattn {

// How the numbers of a tensor are stored. Arithmetic is done in double where they are f64, in float
// elsewhere; i64 is for positions and lengths, with which nobody calculates.
enum class Dtype { f64, f32, bf16, f16, i64 };

inline constexpr Dtype all_dtypes[] = {Dtype::f64, Dtype::f32, Dtype::bf16, Dtype::f16, Dtype::i64};

// "f64", "f32", "bf16", "f16", "i64"
const char* name(Dtype dtype);

// The floating-point type of that name; throws BadInput where there is none
Dtype parse_dtype(std::string_view name);

Index bytes_per_element(Dtype dtype);

// The largest relative error of rounding to a floating-point type: 2^-53, 2^-24, 2^-8, 2^-11
double unit_roundoff(Dtype dtype);

// The float next to x towards zero, its last bit set unless it is x ("round to odd"); NaN stays NaN. Rounding
// it again, to a type at least two bits narrower, gives what rounding x itself would have given (Boldo and
// Melquiond, Emulation of FMA and correctly rounded sums, doi:10.1109/TC.2007.70819).
float rounded_to_odd(double x);

// x in the type Storage: double, float, Eigen::bfloat16 or Eigen::half. Rounded once, to nearest, ties to
// even; infinite beyond the largest number of the type.
template <class Storage>
Storage stored_as(double x) {
  if constexpr (sizeof(Storage) >= sizeof(float))
    return static_cast<Storage>(x);
  else
    return Storage(rounded_to_odd(x));
}

// Calls f(std::type_identity<Storage>()) with the C++ type that stores a floating-point _dtype_
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
  throw BadInput("[dtype] a floating-point type is wanted; found i64; use f64, f32, bf16 or f16");
}

// x after it has been stored as the floating-point type _dtype_
double rounded(double x, Dtype dtype);

// Every number of the tensor, likewise
template <class T>
void round_to(Dtype dtype, Tensor<T>& tensor);

}  // namespace ringattn
