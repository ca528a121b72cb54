#pragma once

#include "reference/definition/error/row_chunks.h"
#include "reference/definition/problem.h"
#include "reference/oracle/error_bound/precision.h"

namespace ringattn {

// Some query rows of one head against all keys: the truth, and the errors of a correct implementation in each pair of
// query and key. error_bound.h defines the symbols.
struct PairErrors {
  Matrix<double> P;               // (rows, Skv) exp(S - lse), 0 where the mask hides the key
  Matrix<double> g;               // (rows, Skv) relative error of P that is independent from key to key
  Matrix<double> g_operand;       // (rows, Skv) h, which the keys of a row share; empty if operands are exact
  Vector<double> lse;             // (rows) -inf: no term
  Vector<double> sink;            // (rows) exp(sink - lse), the weight of the attention sink; 0 without one
  double g_sink = 0;              // the relative error of this weight, which all rows of the head share
  Vector<double> chain;           // (rows) c, the relative error of a sum over the keys of a row
  Eigen::VectorX<Index> visible;  // (rows) number of visible keys
  Vector<double> alike;           // (Skv) the number of keys with the same numbers, which round alike
  Matrix<double> cap_slope;       // (rows, Skv) 1 - (S / cap)^2; empty without a soft-cap
  Matrix<double> dropout;         // (rows, Skv) keep / (1 - p); empty without dropout

  bool exact_operands() const { return g_operand.size() == 0; }
  bool has_terms(Index row) const { return visible(row) > 0 || sink(row) > 0; }

  // (rows, Skv) times keep / (1 - p)
  template <class Real>
  Matrix<Real> dropped(Matrix<Real> pairs) const {
    if (dropout.size() > 0) pairs.array() *= dropout.array().template cast<Real>();
    return pairs;
  }

  // (rows, Skv) times a, the number of visible keys that round like the key of the pair
  template <class Real>
  Matrix<Real> times_alike(Matrix<Real> variance) const {
    for (Index i = 0; i < variance.rows(); ++i) {
      const auto seen = static_cast<double>(visible(i));
      variance.row(i).array() *= alike.cwiseMin(seen).transpose().array().template cast<Real>();
    }
    return variance;
  }
};
PairErrors pair_errors(const Problem<double>& problem, Index b, Index h, const std::vector<Index>& rows,
                       const Roundings& u);

// The rows _rows_ of a head, (rows, D)
Matrix<double> rows_of(const StridedHead<const double>& head, const std::vector<Index>& rows);

// For each row, the number of rows with the same numbers, itself included
Vector<double> rows_alike(const Matrix<double>& rows);

// Errors of A B^T if A (n, D) and B (m, D) are rounded to operands, (n, m)
template <class Real>
Matrix<Real> operand_errors(const Matrix<Real>& A, const Matrix<Real>& B, const Roundings& u);

// Relative error of 1 / (1 - p) and of the product with it; 0 without dropout
double dropout_error(const Roundings& u, const Problem<double>& problem);

// Relative error of a sum of _terms_ terms of one sign, of which _alike_ are equal
double chain_error(const Roundings& u, Index terms, double alike = 1);

// For each row, a third of the largest error of lse that comes from scores, rounded weights and a fast exponential
Vector<double> errors_of_lse(const PairErrors& pairs, const Roundings& u);

// Chunks of at most 2^21 scores (16 MiB), but of at least 16 rows
std::vector<RowChunk> chunks_to_bound(const std::vector<Index>& rows, Index keys);

}  // namespace ringattn
