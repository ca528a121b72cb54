#pragma once

#include <optional>
#include <string>

#include "reference/definition/attention_vjp.h"
#include "reference/oracle/error_bound/precision.h"

namespace ringattn {

// What an implementer has, with what it gives for the problem; rows and keys all of them.
struct LawInputs {
  const Problem<double>& problem;
  std::optional<TensorView<const double>> out = {}, lse = {}, dq = {}, dk = {}, dv = {};
  Cotangents<double> cotangents = {};  // dout without data: no law of the backward can be tried
};

// A law that right results obey whatever the inputs are. It needs no reference, costs O(S d), and so holds
// an implementation to account at a million tokens too. Two sides that should be equal are compared.
struct Law {
  std::string id;              // "A"
  std::string statement;       // "sum_j dV_j = sum_i dO_i"
  std::string meaning;         // of its breaking
  double ratio = 0;            // the largest |left - right| in the tolerance of its own terms
  double left = 0, right = 0;  // there

  bool holds() const { return ratio <= 1; }
};

// The laws for which _inputs_ has what they need:
//   N  sum_j exp(S_ij - lse_i) = 1    on the query rows _rows_, the only law that reads all keys for a row
//   A  sum_j dV_j = sum_i dO_i        over the rows of a document that see a key, and the heads of a group
//   B  sum_j dK_j = scale sum_i dlse_i Q_i    without a soft-cap
//   C  <dO, O> = <dV, V>
//   D  <dQ, Q> = <dK, K>
// Each follows from rows of P that sum to 1 and from both sides being the same sum over pairs.
std::vector<Law> laws(const LawInputs& inputs, const ImplementationPrecision& declared, const std::vector<Index>& rows);

}  // namespace ringattn
