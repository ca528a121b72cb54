#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/oracle/error_bound/precision.h"

namespace ringattn {

// The gradients in float64 and, for each element, the tolerance of a correct implementation. Model, rules and symbols
// are those of error_bound.h.
//
// The backward rebuilds P from the stored lse and forms dS from the stored out (FlashAttention-2, arXiv:2307.08691,
// Algorithm 2):
//
//   lse ---> P = exp(S - lse) --------------------------------> dV = P^T dO
//   out ---> delta = rowsum(dO * out) ---> dS = P * W ---> dQ = scale dS K,  dK = scale dS^T Q
//                                          W_ij = dP_ij - delta_i + dlse_i,  dP = dO V^T
//
// Errors of whole rows, of pairs, and of shared operands:
//   r_i    P, through lse        l_i + c_i + (u_sum + u_lse_stored) |lse_i|
//   e_i    W, through delta      sqrt(sum_d (u_stored^2 + u_operand^2) dO_id^2 out_id^2
//                                     + sum_d c_i^2 dO_id^2 (P |V|)_id^2
//                                     + sum_j a_j P_ij^2 (u_probability^2 dP_ij^2 + g_ij^2 (dP_ij - delta_i)^2)
//                                     + P_sink^2 g_sink^2 delta_i^2 + u_probability^2 delta_i^2 / 9)
//                                + u_sum sqrt(Dv) sum_d |dO_id out_id|
//   x_ij   dS, of the pair       P_ij (g_ij |W_ij| + 2 u_sum sqrt(Dv) (|dO| |V|^T)_ij),
//                                and u_probability |dS_ij|, u_operand |dS_ij|, as the root of the sum of squares,
//                                and the weights and dS that are too small for their type
//   b_i    number of queries of the group with the same numbers as query i
//
// Tolerances (products of matrices; * and ^2 are elementwise on matrices):
//   dq     3 (scale sqrt(x^2 (a K^2)) + scale e |P K| + r |dq|)            + c scale |dS| |K|
//   dk     3 scale sqrt((x^2 + P^2 e^2 + dS^2 r^2)^T (b Q^2))              + c scale |dS|^T |Q|
//   dv     3 sqrt((P^2 (u_probability^2 + u_operand^2 + g^2 + r^2))^T (b dO^2))  + c P^T |dO|
//   dsink  3 sqrt(sum_i b_i P_sink^2 (e^2 + r^2 (dlse - delta)^2))
//            + (c + u_sum (4 |sink| + 8) + u_exponential) sum_i |P_sink (dlse - delta)|, over all rows of a query head
// For each of these X but dsink there is also u_probability^2 X^2 / 9 under the root, and u_stored |X| outside it.
//
// If operands are rounded, the pairs of a row or a column share their errors:
//   y_ij   P_ij (h_ij |W_ij| + 3 u_operand sqrt((dO^2 (V^2)^T)_ij))
//   dq     + scale y |K|
//   dk     + scale y^T |Q|
//   dv     + (P h)^T |dO|
//   e_i    + H_i sqrt(sum_j P_ij (dP_ij - delta_i)^2)
//   r_i    + H_i
//
// Dropout multiplies dP_ij by keep_ij / (1 - p), and P_ij in the terms of dv.
struct BoundedGradients {
  Gradients<double> truth;
  Gradients<double> tolerance;
  Gradients<double> magnitude;  // the sums of the magnitudes of the terms (vjp_magnitude() in magnitude.h)
};

// dq of the query rows _rows_, and the contributions of these rows to dk, dv and dsinks. _forward_ holds the truth of
// the same rows, in that order.
BoundedGradients bound_attention_vjp(const Problem<double>& problem, const std::vector<Index>& rows,
                                     const AttentionOutput<double>& forward,
                                     const Cotangents<double>& cotangents,
                                     const ImplementationPrecision& declared);

}  // namespace ringattn
