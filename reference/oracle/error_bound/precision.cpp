#include "reference/oracle/error_bound/precision.h"

#include <cmath>
#include <string>

#include "reference/definition/input/in_quotes.h"

namespace ringattn {

namespace {

constexpr Precision all_precisions[] = {Precision::f64, Precision::f32, Precision::tf32, Precision::bf16,
                                        Precision::f16};

// A type of 8 bits: the bits of its significand, its smallest and its largest number (Micikevicius et al., FP8 Formats
// for Deep Learning, arXiv:2209.05433, table 1)
struct EightBits {
  Precision precision;
  const char* type_name;  // of numpy, torch and jax
  int significand;
  double smallest, largest;
};
constexpr EightBits eight_bit_types[] = {{Precision::e4m3, "float8_e4m3fn", 4, 0x1p-9, 448},
                                         {Precision::e5m2, "float8_e5m2", 3, 0x1p-16, 57344}};

const EightBits* eight_bits_of(Precision precision) {
  for (const EightBits& type : eight_bit_types)
    if (type.precision == precision) return &type;
  return nullptr;
}

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
    case Precision::e4m3:
    case Precision::e5m2:
      break;
  }
  return Dtype::f16;
}

double unit_roundoff_of(Precision precision) {
  const EightBits* eight = eight_bits_of(precision);
  return eight ? std::ldexp(1.0, -eight->significand) : unit_roundoff(significand_of(precision));
}

// f16 and types of 8 bits: half the distance between subnormal numbers. Others: the smallest normal number, since
// subnormal ones may be flushed to 0.
double tiny(bool is_f64, bool is_f16) { return is_f64 ? 0x1p-1022 : is_f16 ? 0x1p-25 : 0x1p-126; }

// A weight below this one changes no float64 sum of weights, and its square is still a number
constexpr double tiny_f64_weight = 0x1p-500;

// The best polynomial of degree 3 for 2^x, 0 <= x < 1, has a relative error of 1.0e-4. Kernels whose P is rounded to 8
// or 11 bits use such polynomials
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
    case Precision::e4m3:
      return "e4m3";
    case Precision::e5m2:
      return "e5m2";
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
  for (const EightBits& type : eight_bit_types)
    if (wanted == type.type_name || wanted == name(type.precision)) return type.precision;
  throw BadInput(
      "[precision] the precision of an implementation is f64, f32, tf32, bf16, f16, e4m3 or e5m2; found " +
      in_quotes(wanted) + "; choose one of these");
}

std::vector<std::string> precision_names() {
  std::vector<std::string> names;
  for (const Precision precision : all_precisions) names.emplace_back(name(precision));
  for (const auto& [type, precision] : type_names) names.emplace_back(type);
  return names;
}

std::vector<std::string> eight_bit_precision_names() {
  std::vector<std::string> names;
  for (const EightBits& type : eight_bit_types)
    names.emplace_back(name(type.precision)), names.emplace_back(type.type_name);
  return names;
}

bool has_eight_bits(Precision precision) { return eight_bits_of(precision) != nullptr; }

bool held_exactly(Precision precision, double x) {
  if (precision == Precision::f64) return true;
  if (const EightBits* eight = eight_bits_of(precision)) {
    int exponent = 0;
    const double significand = std::ldexp(std::frexp(x, &exponent), eight->significand),
                 steps = x / eight->smallest;
    return significand == std::trunc(significand) && steps == std::trunc(steps) &&
           std::abs(x) <= eight->largest;
  }
  if (precision != Precision::tf32) return rounded(x, significand_of(precision)) == x;

  // tf32 has the exponent of float32 and 11 significant bits
  int exponent = 0;
  const double significand = std::ldexp(std::frexp(x, &exponent), 11);
  return rounded(x, Dtype::f32) == x && significand == std::trunc(significand);
}

Roundings roundings(const ImplementationPrecision& declared) {
  const Precision precision = declared.implementation;
  const bool f64 = precision == Precision::f64;
  const EightBits* eight = eight_bits_of(precision);
  const double product = unit_roundoff_of(precision),
               near_0 = eight ? eight->smallest / 2 : tiny(f64, precision == Precision::f16);
  const bool rounded_weights =
      !declared.exact_weights && (precision == Precision::bf16 || precision == Precision::f16);
  return {.sum = unit_roundoff(f64 ? Dtype::f64 : Dtype::f32),
          .operand = declared.exact_operands ? 0 : product,
          .probability = product,
          .weight = rounded_weights ? product : 0,
          .exponential = rounded_weights || eight ? fast_exponential : 0,
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
    case Precision::e4m3:
    case Precision::e5m2:
      // Exact operands are those of a file, which are multiplied by factors outside of the products
      return {declared.exact_operands ? largest_number(Dtype::f32)
                                      : eight_bits_of(declared.implementation)->largest,
              largest_number(Dtype::f32)};
    case Precision::f32:
    case Precision::tf32:
      break;
  }
  return {largest_number(Dtype::f32), largest_number(Dtype::f32)};
}

}  // namespace ringattn
