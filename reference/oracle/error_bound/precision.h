#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/error/digits.h"

namespace ringattn {

// The arithmetic of an implementation. All but f64 name the type of the operands of its matrix products, whose sums are
// accumulated in float32; f64 computes everything in float64.
enum class Precision { f64, f32, tf32, bf16, f16, e4m3, e5m2 };

// "f64", "f32", "tf32", "bf16", "f16", "e4m3", "e5m2"
const char* name(Precision precision);

// The precision of that name, or of that type of numpy, torch and jax; throws BadInput if there is none
Precision parse_precision(std::string_view name);

// The texts that parse_precision() accepts, without those of 8 bits, and these
std::vector<std::string> precision_names();
std::vector<std::string> eight_bit_precision_names();

bool has_eight_bits(Precision precision);

// Whether an operand of a matrix product represents x exactly
bool held_exactly(Precision precision, double x);

// The precision that the implementer declares; it is never inferred from errors.
struct ImplementationPrecision {
  Precision implementation = Precision::f32;
  Dtype stored = Dtype::f32;      // of out, dq, dk and dv
  Dtype lse_stored = Dtype::f32;  // of lse
  bool exact_operands = true;     // operands of matrix products represent Q, K, V and dO exactly

  // l sums P before P is rounded to an operand, and exp has the precision of the sums. Otherwise kernels of bf16 and
  // f16 products may sum rounded P (Roundings::weight, exponential). The golden vectors ask for exact weights.
  bool exact_weights = false;
};

// The unit roundoff of each place at which an implementation rounds: the largest relative error of one rounding.
struct Roundings {
  double sum;          // of the result of an addition, an exponential or a logarithm
  double operand;      // of Q, K, V and dO as operands of a matrix product; 0 if they are exact
  double probability;  // of P and dS as operands of a matrix product
  double weight;       // of P as a term of l; 0 if P is summed before it is rounded, as kernels of 8 bits do
  double exponential;  // of a fast exponential, shared by all P of a row; 0 if it is as precise as a sum
  double stored;       // of a stored result
  double lse_stored;   // of a stored lse

  // The largest absolute error of one rounding near 0, where numbers lose digits (subnormal) or are flushed to 0: of P,
  // of the other operands Q, K, V, dO and dS, and of stored results
  double tiny_probability, tiny_operand, tiny_stored;
};
Roundings roundings(const ImplementationPrecision& declared);

// The largest numbers that such an implementation can hold as operands, and as sums
LargestNumbers largest_numbers(const ImplementationPrecision& declared);

}  // namespace ringattn
