#pragma once

#include <optional>
#include <string>

#include "reference/definition/attention_vjp.h"
#include "reference/oracle/error_bound/precision.h"

namespace ringattn {

// A problem and some of the results of an implementation, for all rows and keys.
struct LawInputs {
  const Problem<double>& problem;
  std::optional<TensorView<const double>> out = {}, lse = {}, dq = {}, dk = {}, dv = {};
  Cotangents<double> cotangents = {};  // dout without data: only N can be checked
};

// An identity that correct results satisfy for every input: two sides that must be equal. It needs no reference result
// and costs O(S d), so it can check an implementation at a million tokens.
struct Law {
  std::string id;              // "A"
  std::string statement;       // "sum_j dV_j = sum_i dO_i"
  std::string meaning;         // what follows if it does not hold, and common causes
  double ratio = 0;            // the largest |left - right| / tolerance
  double left = 0, right = 0;  // the two sides of which this is the error

  bool holds() const { return ratio <= 1; }
};

// The laws whose inputs are given:
//   N  sum_j exp(S_ij - lse_i) = 1            for each query row of _rows_; the only law that needs all keys of a row
//   A  sum_j dV_j = sum_i dO_i                for each document and K/V head, over the rows that have a visible key;
//                                             without dropout
//   B  sum_j dK_j = scale sum_i dlse_i Q_i    likewise, without a soft-cap
//   C  <dO, O> = <dV, V>                      for each K/V head and its group of query heads
//   D  <dQ, Q> = <dK, K>                      likewise
// A and B follow from rows of P that sum to 1: dV = P^T dO, and the rows of dS = P * (dP - delta + dlse) sum to dlse.
// With attention sinks, which take a part of these sums, A and B are left out, and exp(sink - lse_i) joins the sum of
// N. In C and D both sides are the same sum over pairs: sum_ij P_ij dO_i . V_j and scale sum_ij dS_ij Q_i . K_j.
std::vector<Law> laws(const LawInputs& inputs, const ImplementationPrecision& declared,
                      const std::vector<Index>& rows);

}  // namespace ringattn
