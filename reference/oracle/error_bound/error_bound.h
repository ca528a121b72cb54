#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/oracle/error_bound/precision.h"

namespace ringattn {

// The truth in float64 and, for each element, a tolerance: how far a correct implementation of the declared precision
// may be from the truth. An error divided by its tolerance means the same at every size, which is the idea of the BLAS
// testers (Dongarra et al., A Set of Level 3 Basic Linear Algebra Subprograms, doi:10.1145/77626.79170, section 7).
//
// Model of rounding. Each operation gives fl(x op y) = (x op y)(1 + delta), |delta| <= u (Higham, Accuracy and
// Stability of Numerical Algorithms, section 2.2). The worst case for a sum of n terms is gamma_n = n u / (1 - n u)
// times the sum of their magnitudes (Higham, lemma 3.1). No kernel comes near it, and a bound that loose would accept
// wrong results. Roundings that are independent and have mean 0 grow like sqrt(n) u (Higham and Mary,
// doi:10.1137/18M1226312). Hence three rules:
//   independent errors   the squares of their bounds are summed; the tolerance is 3 times the root of the sum.
//                        One rounding is spread over [-u, u], so 3 u is at least five of its standard deviations.
//   equal errors         keys with the same numbers round in the same way: their errors are summed before squaring
//   shared errors        what all keys of a row share is summed by magnitude
//
// The errors follow the computation from left to right:
//
//   Q, K ----> S = scale Q K^T ----> P = exp(S - lse), lse ----> out = P V ----> stored out, lse
//   u_operand      g_ij, h_ij           L_i, c_i                 u_probability       u_stored, u_lse_stored
//
// Errors of the scores and of the sums over keys, to first order, for query i and key j:
//   N_ij    scale |Q_i| . |K_j|                                  the dot product of magnitudes
//   g_ij    u_sum (2 sqrt(D) N_ij + 4 (|S_ij| + |bias_ij|) + 8)  error of the score = relative error of P_ij; here
//                                                                S is the score before the bias
//   a_j     number of keys with the same numbers as key j, itself included
//   L_i     sqrt(sum_j a_j P_ij^2 g_ij^2)                        error of lse_i that comes from the scores
//   l_i     sqrt(sum_j a_j P_ij^2 (g_ij^2 + u_weight^2)) + u_exponential / 3      and from the terms of its sum
//   n_i     number of keys visible to query i
//   c_i     u_sum (8 + 2 sqrt(n_i) + n_i / 40 + max_j a_j / 3)   relative error of a sum of n_i terms in any order:
//                                                                random roundings, and equal terms rounded alike
//           + sum_j P_ij [P_ij < 4 u_sum]                        small terms lost beside a large one
//
// Tolerances:
//   out_id  3 sqrt(sum_j a_j P_ij^2 (u_probability^2 + u_operand^2 + g_ij^2) V_jd^2
//                  + (L_i^2 + u_probability^2 / 9) out_id^2)     u_probability: shared by all P_ij if scores are equal
//           + c_i sum_j P_ij |V_jd|
//           + u_stored |out_id|
//   lse_i   3 l_i + c_i + (u_sum + u_lse_stored) |lse_i|
// and the absolute errors of numbers that are too small for their type (Roundings::tiny_...).
//
// An attention sink is one more term of the sum of a row, with the weight P_sink, the value 0, and the error
//   g_sink  u_sum (4 |sink| + 8)                                 P_sink^2 g_sink^2 joins the sums in L_i^2 and l_i^2
// and ALiBi subtracts slope |q_position - kv_position| from a score, of which 4 u_sum joins g_ij.
//
// Dropout multiplies V_jd by keep_ij / (1 - p) in the terms of out_id; lse does not change. The factor has three
// roundings: 3 u_sum sum_j P_ij |V_jd|.
//
// u_weight and u_exponential are 0 but for bf16 and f16 products. Their kernels multiply V by P rounded to 8 or 11
// bits. Some sum the same rounded P to l, and some compute exp by a polynomial whose error, up to 2^-13, vanishes in
// that rounding. In out this changes nothing: the errors of numerator and l cancel in part, and u_probability covers
// the rest. lse = m + log l, however, has the relative error of l: the independent roundings u_weight of the terms, and
// the error u_exponential, which all terms may share. Kernels of 8 bits have a fast exponential, too, but sum P before
// they round it to 3 or 4 bits.
//
// If Q and K are rounded to operands, all keys of a row share the error of Q_i. Their errors are then not independent,
// and the bound is the Cauchy-Schwarz inequality:
//   h_ij    3 u_operand scale sqrt(sum_d Q_id^2 K_jd^2)
//   H_i     sqrt(sum_j P_ij h_ij^2)
//   out_id  + H_i sqrt(sum_j P_ij V_jd^2 - out_id^2)
//   lse_i   + H_i
//
// The rules are of first order: they hold while a weight is known up to a factor (verdict/resolution.h). Squares of
// numbers near the ends of the range of double are computed in long double (wide_range.h).
struct BoundedAttention {
  AttentionOutput<double> truth;
  AttentionOutput<double>
      tolerance;  // 0 for a row without visible keys: out = 0 and lse = -inf must be exact
  AttentionOutput<double> magnitude;  // the sums of the magnitudes of the terms: P |V|, and 1 + |lse|
};

// out and lse of the query rows _rows_, in that order. Memory does not grow with Sq x Skv.
BoundedAttention bound_attention(const Problem<double>& problem, const std::vector<Index>& rows,
                                 const ImplementationPrecision& declared);

}  // namespace ringattn
