#pragma once

#include <string_view>

#include "reference/definition/dtype.h"

namespace ringattn {

// What an implementation calculates with: f32, tf32, bf16 and f16 name the operands of its matrix products,
// whose sums are kept in float32; f64 keeps everything in float64.
enum class Precision { f64, f32, tf32, bf16, f16 };

// "f64", "f32", "tf32", "bf16", "f16"
const char* name(Precision precision);

// Throws BadInput where there is none of that name
Precision parse_precision(std::string_view name);

// Whether x is a number that an operand of a matrix product can hold
bool held_exactly(Precision precision, double x);

// What the implementer declares; never inferred from errors.
struct ImplementationPrecision {
  Precision implementation = Precision::f32;
  Dtype stored = Dtype::f32;      // of out, dq, dk and dv
  Dtype lse_stored = Dtype::f32;  // of lse
  bool exact_operands = true;     // Q, K, V and dO are numbers that the operands of a product can hold
};

// Relative errors of one rounding, at most.
struct Roundings {
  double sum;          // of a number that a sum, an exponential or a logarithm gives
  double operand;      // of Q, K, V and dO on their way into a product
  double probability;  // of P and dS, likewise
  double stored;       // of a result
  double lse_stored;

  // The absolute errors beside them: numbers that are too small for the type lose digits or become 0
  double tiny_probability, tiny_stored;
};
Roundings roundings(const ImplementationPrecision& declared);

}  // namespace ringattn
