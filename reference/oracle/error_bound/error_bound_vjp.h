#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/oracle/error_bound/precision.h"

namespace ringattn {

// The gradients in float64 beside what a correct implementation may be away from them, as error_bound.h does for
// the forward, whose symbols these are. With W_ij = dP_ij - delta_i + dlse_i, what goes into dS = P * W errs
// by
//   r_i    lse, which P is rebuilt from:  L_i + c_i + (u_sum + u_lse_stored) |lse_i|
//   e_i    delta, by the error of the out it is made of:
//          sqrt(sum_d (u_stored^2 + u_operand^2) dO_id^2 O_id^2 + c_i^2 dO_id^2 (P |V|)_id^2
//               + sum_j a_j P_ij^2 (u_probability^2 dP_ij^2 + g_ij^2 (dP_ij - delta_i)^2)
//               + u_probability^2 delta_i^2 / 9) + u_sum sqrt(Dv) sum_d |dO_id O_id|
//   x_ij   the pair:  P (g |W| + 2 u_sum sqrt(Dv) |dO| |V|^T), and u_probability |dS|, u_operand |dS|
// Errors of different pairs are independent, so their squares are summed, those of the a_j equal keys or
// b_i equal queries together; e_i and r_i hold for a whole row.
//   dq    3 (scale sqrt(a x^2 K^2) + scale e |P K| + r |dq|) + c scale |dS| |K|
//   dk    3 scale sqrt(b (x^2 + P^2 e^2 + dS^2 r^2)^T Q^2) + c scale |dS|^T |Q|
//   dv    3 sqrt(b (P^2 (u_probability^2 + u_operand^2 + g^2 + r^2))^T dO^2) + c P^T |dO|
// each X of them with u_probability^2 X^2 / 9 under its root, and + u_stored |X|. Rounded operands add what
// rows or columns share:
//   y_ij   P (h |W| + 3 u_operand sqrt(dO^2 V^2^T));  dq + scale y |K|;  dk + scale y^T |Q|;  dv + (P h)^T
//   |dO| e_i    + H_i sqrt(sum_j P_ij (dP_ij - delta_i)^2);  r_i + H_i
struct BoundedGradients {
  Gradients<double> truth;
  Gradients<double> tolerance;
};

// dq of the query rows _rows_, and what these rows add to dk and dv; _forward_ belongs to these rows
BoundedGradients bound_attention_vjp(const Problem<double>& problem, const std::vector<Index>& rows,
                                    const AttentionOutput<double>& forward, const Cotangents<double>& cotangents,
                                    const ImplementationPrecision& declared);

}  // namespace ringattn
