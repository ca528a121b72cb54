#include "reference/definition/dtype.h"

#include <cmath>
#include <cstdint>

#include "reference/definition/input/in_quotes.h"

namespace ringattn {

const char* name(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
      return "f64";
    case Dtype::f32:
      return "f32";
    case Dtype::bf16:
      return "bf16";
    case Dtype::f16:
      return "f16";
    case Dtype::i64:
      break;
  }
  return "i64";
}

Dtype parse_dtype(std::string_view wanted) {
  for (const Dtype dtype : {Dtype::f64, Dtype::f32, Dtype::bf16, Dtype::f16})
    if (wanted == name(dtype)) return dtype;
  throw BadInput("[dtype] dtype must be one of f64, f32, bf16, f16; found " + in_quotes(wanted) +
                 "; use one of these");
}

Index bytes_per_element(Dtype dtype) {
  return dtype == Dtype::i64 ? 8 : with_storage_type(dtype, []<class Storage>(std::type_identity<Storage>) {
    return Index{sizeof(Storage)};
  });
}

double unit_roundoff(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64:
      return 0x1p-53;
    case Dtype::f32:
      return 0x1p-24;
    case Dtype::bf16:
      return 0x1p-8;
    case Dtype::f16:
      return 0x1p-11;
    case Dtype::i64:
      break;
  }
  throw BadInput("[dtype] expected a floating-point type; found i64; use f64, f32, bf16 or f16");
}

float rounded_to_odd(double x) {
  const float nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x) return nearest;

  // Step back to the float next to x towards zero, then set its last bit
  const bool away_from_zero = std::abs(static_cast<double>(nearest)) > std::abs(x);
  const float truncated = away_from_zero ? std::nextafter(nearest, 0.0f) : nearest;
  return Eigen::numext::bit_cast<float>(Eigen::numext::bit_cast<std::uint32_t>(truncated) | 1u);
}

double rounded(double x, Dtype dtype) {
  return with_storage_type(dtype, [x]<class Storage>(std::type_identity<Storage>) {
    return static_cast<double>(stored_as<Storage>(x));
  });
}

template <class T>
void round_to(Dtype dtype, Tensor<T>& tensor) {
  with_storage_type(dtype, [&]<class Storage>(std::type_identity<Storage>) {
    for (T* x = tensor.data(); x != tensor.data() + tensor.size(); ++x)
      *x = static_cast<T>(stored_as<Storage>(static_cast<double>(*x)));
  });
}

template void round_to(Dtype, Tensor<float>&);
template void round_to(Dtype, Tensor<double>&);

}  // namespace ringattn
