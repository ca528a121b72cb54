#include "reference/oracle/error_bound/precision.h"

#include <cmath>
#include <string>

#include "reference/definition/in_quotes.h"

namespace ringattn {

namespace {

constexpr Precision all_precisions[] = {Precision::f64, Precision::f32, Precision::tf32, Precision::bf16,
                                        Precision::f16};

// The same as numpy, torch and jax name their types
constexpr std::pair<std::string_view, Precision> type_names[] = {{"float64", Precision::f64},
                                                                 {"float32", Precision::f32},
                                                                 {"tfloat32", Precision::tf32},
                                                                 {"bfloat16", Precision::bf16},
                                                                 {"float16", Precision::f16}};

// The storage type with the significand of an operand; the 11 bits of tf32 are those of f16
Dtype significand_of(Precision precision) {
  switch (precision) {
    case Precision::f64:
      return Dtype::f64;
    case Precision::f32:
      return Dtype::f32;
    case Precision::bf16:
      return Dtype::bf16;
    case Precision::tf32:
    case Precision::f16:
      break;
  }
  return Dtype::f16;
}

// f16: half the distance between its subnormal numbers. Others: the smallest normal number, since subnormal ones may be
// flushed to 0.
double tiny(bool is_f64, bool is_f16) { return is_f64 ? 0x1p-1022 : is_f16 ? 0x1p-25 : 0x1p-126; }

// A weight below this one changes no float64 sum of weights, and its square is still a number
constexpr double tiny_f64_weight = 0x1p-500;

// The best polynomial of degree 3 for 2^x, 0 <= x < 1, has a relative error of 1.0e-4. Kernels whose P is rounded to 8 or
// 11 bits use such polynomials
constexpr double fast_exponential = 0x1p-13;

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
  for (const auto& [type, precision] : type_names)
    if (type == wanted) return precision;
  throw BadInput("[precision] the precision of an implementation is f64, f32, tf32, bf16 or f16; found " +
                 in_quotes(wanted) + "; choose one of these");
}

std::vector<std::string> precision_names() {
  std::vector<std::string> names;
  for (const Precision precision : all_precisions) names.emplace_back(name(precision));
  for (const auto& [type, precision] : type_names) names.emplace_back(type);
  return names;
}

bool held_exactly(Precision precision, double x) {
  if (precision == Precision::f64) return true;
  if (precision != Precision::tf32) return rounded(x, significand_of(precision)) == x;

  // tf32 has the exponent of float32 and 11 significant bits
  int exponent = 0;
  const double significand = std::ldexp(std::frexp(x, &exponent), 11);
  return rounded(x, Dtype::f32) == x && significand == std::trunc(significand);
}

Roundings roundings(const ImplementationPrecision& declared) {
  const Precision precision = declared.implementation;
  const bool f64 = precision == Precision::f64;
  const double product = unit_roundoff(significand_of(precision)),
               near_0 = tiny(f64, precision == Precision::f16);
  const bool rounded_weights =
      !declared.exact_weights && (precision == Precision::bf16 || precision == Precision::f16);
  return {.sum = unit_roundoff(f64 ? Dtype::f64 : Dtype::f32),
          .operand = declared.exact_operands ? 0 : product,
          .probability = product,
          .weight = rounded_weights ? product : 0,
          .exponential = rounded_weights ? fast_exponential : 0,
          .stored = unit_roundoff(declared.stored),
          .lse_stored = unit_roundoff(declared.lse_stored),
          .tiny_probability = f64 ? tiny_f64_weight : near_0,
          .tiny_operand = near_0,
          .tiny_stored = tiny(declared.stored == Dtype::f64, declared.stored == Dtype::f16)};
}

LargestNumbers largest_numbers(const ImplementationPrecision& declared) {
  switch (declared.implementation) {
    case Precision::f64:
      return {largest_number(Dtype::f64), largest_number(Dtype::f64)};
    case Precision::bf16:
      return {largest_number(Dtype::bf16), largest_number(Dtype::f32)};
    case Precision::f16:
      return {largest_number(Dtype::f16), largest_number(Dtype::f32)};
    case Precision::f32:
    case Precision::tf32:
      break;
  }
  return {largest_number(Dtype::f32), largest_number(Dtype::f32)};
}

}  // namespace ringattn
