#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/oracle/error_bound/precision.h"

namespace ringattn {

// The truth in float64 beside what a correct implementation may be away from it, element by element. The
// idea is that of the reference BLAS testers: an error is divided by what the arithmetic explains, so that 1
// means the same at every size (Dongarra et al., A Set of Level 3 BLAS, doi:10.1145/77626.79170, section 7).
//
// First-order errors of out_id = sum_j P_ij V_jd. Those of different keys are independent, so their squares
// are summed; the a_j keys with equal numbers err alike, so theirs are summed first:
//   g_ij   error of a score: u_sum (2 sqrt(D) N_ij + 4 |S_ij| + 8),  N = scale |Q| |K|^T
//   L_i    sqrt(sum_j a_j P_ij^2 g_ij^2)
//   out    3 sqrt(sum_j a_j P_ij^2 (u_probability^2 + u_operand^2 + g_ij^2) V_jd^2
//                 + (L_i^2 + u_probability^2 / 9) out_id^2) + c_i sum_j P_ij |V_jd| + u_stored |out_id|
//   lse    3 L_i + c_i + (u_sum + u_lse_stored) |lse_i|
//   c_i    u_sum (8 + 2 sqrt(n_i) + n_i / 40 + max a_j / 3) + sum_j P_ij [P_ij < 4 u_sum]  for sums of n_i
//          terms, taken one after the other: rounding at random, rounding of equal terms always the same way,
//          and small terms that are lost beside a large one
// u_probability out is what all P_ij share where the scores are nearly equal. Numbers too small for their
// type add an absolute error. Where Q_i and K_j are rounded on their way into the product, the keys of a row
// share the error of Q_i, so the inequality of Cauchy and Schwarz is all that holds:
//   h_ij   3 u_operand scale sqrt(sum_d Q_id^2 K_jd^2),  H_i = sqrt(sum_j P_ij h_ij^2)
//   out    + H_i sqrt(sum_j P_ij V_jd^2 - out_id^2)
//   lse    + H_i
// 3 is between five and seven standard deviations of one rounding.
struct BoundedAttention {
  AttentionOutput<double> truth;
  AttentionOutput<double> tolerance;  // 0 where only equality will do: a row that sees no key
};

// Of the query rows _rows_, in that order, in memory that does not grow with Sq x Skv
BoundedAttention bound_attention(const Problem<double>& problem, const std::vector<Index>& rows,
                              const ImplementationPrecision& declared);

}  // namespace ringattn
