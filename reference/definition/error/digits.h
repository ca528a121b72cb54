#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/definition/dtype.h"

namespace ringattn {

// The largest numbers that an implementation can hold.
struct LargestNumbers {
  double operand;  // of a matrix product: Q, K, V, dO and dS
  double sum;      // results of matrix products
};

// The largest finite number of a floating-point type
double largest_number(Dtype dtype);

// Throws BadInput, in the name of _operation_, unless every number that attention and, with dout, its gradients form
// stays finite, in any order of the sums. Upper bounds of these numbers:
//   q, k, v, o           largest Euclidean norm of a row of Q, K, V, dO
//   S_ij                 max(1, |scale|) q k, and the largest bias
//   sum_j exp(S_ij - m) |V_jd|, of which only the quotient by l is small    Skv v
//   |W_ij|               2 o v + max |dlse|, and so |dS_ij|
//   |dQ|, |dK|, |dV|     max(1, |scale|) W k,  max(1, |scale|) Sq group W q,  Sq group o
// where dropout multiplies v and |dV| by 1 / (1 - p).
template <class T>
void require_finite_results(const char* operation, const Problem<T>& problem, const Cotangents<T>& cotangents,
                            const LargestNumbers& largest);

// The same for arithmetic in the type of _dtype_ (float64 for f64, else float32). In addition the scores must be so
// small that rounding leaves the weights digits: rounding_bound() of lse is at most 1/16. An absolute error of a score
// is a relative error of its weight.
template <class T>
void require_digits(const char* operation, const Problem<T>& problem, const Cotangents<T>& cotangents,
                    Dtype dtype);

}  // namespace ringattn
