#include "reference/oracle/error_bound/precision.h"

#include <cmath>
#include <string>

namespace ringattn {

namespace {

constexpr Precision all_precisions[] = {Precision::f64, Precision::f32, Precision::tf32, Precision::bf16,
                                        Precision::f16};

double operand_roundoff(Precision precision) {
  switch (precision) {
    case Precision::f64:
      return 0x1p-53;
    case Precision::f32:
      return 0x1p-24;
    case Precision::bf16:
      return 0x1p-8;
    case Precision::tf32:
    case Precision::f16:
      break;
  }
  return 0x1p-11;
}

// Half the distance of the smallest numbers where they lose digits, the smallest normal number where they may
// be flushed to 0; in float64 what may still be squared
double tiny(bool is_f64, bool is_f16) { return is_f64 ? 0x1p-500 : is_f16 ? 0x1p-25 : 0x1p-126; }

}  // namespace

const char* name(Precision precision) {
  switch (precision) {
    case Precision::f64:
      return "f64";
    case Precision::f32:
      return "f32";
    case Precision::tf32:
      return "tf32";
    case Precision::bf16:
      return "bf16";
    case Precision::f16:
      break;
  }
  return "f16";
}

Precision parse_precision(std::string_view wanted) {
  for (const Precision precision : all_precisions)
    if (name(precision) == wanted) return precision;
  throw BadInput("[precision] an implementation is f64, f32, tf32, bf16 or f16; found " +
                 std::string(wanted));
}

bool held_exactly(Precision precision, double x) {
  switch (precision) {
    case Precision::f64:
      return true;
    case Precision::f32:
      return rounded(x, Dtype::f32) == x;
    case Precision::bf16:
      return rounded(x, Dtype::bf16) == x;
    case Precision::f16:
      return rounded(x, Dtype::f16) == x;
    case Precision::tf32:
      break;
  }
  // The exponent of float32 and the 11 significant bits of float16
  int exponent = 0;
  const double significand = std::ldexp(std::frexp(x, &exponent), 11);
  return rounded(x, Dtype::f32) == x && significand == std::trunc(significand);
}

Roundings roundings(const ImplementationPrecision& declared) {
  const double product = operand_roundoff(declared.implementation);
  const bool f64 = declared.implementation == Precision::f64;
  return {.sum = f64 ? 0x1p-53 : 0x1p-24,
          .operand = declared.exact_operands ? 0 : product,
          .probability = product,
          .stored = unit_roundoff(declared.stored),
          .lse_stored = unit_roundoff(declared.lse_stored),
          .tiny_probability = tiny(f64, declared.implementation == Precision::f16),
          .tiny_stored = tiny(declared.stored == Dtype::f64, declared.stored == Dtype::f16)};
}

}  // namespace ringattn
