#pragma once

#include "reference/definition/problem.h"
#include "reference/oracle/error_bound/precision.h"

namespace ringattn {

// Some query rows of one head against all keys, (rows, Skv): what the truth is made of, and how far a
// correct implementation may be off in each score.
struct PairErrors {
  Matrix<double> P;               // exp(S - lse), 0 where hidden
  Matrix<double> g;               // error of P / P that is independent from key to key, as error_bound.h says
  Matrix<double> g_operand;       // error that the keys of a row share; empty where operands are exact
  Vector<double> lse;             // (rows); -inf: no key seen
  Vector<double> chain;           // (rows) error c of a sum over the keys of a row, relative to the sum
  Eigen::VectorX<Index> visible;  // (rows) keys seen
  Vector<double> alike;           // (Skv) keys with the same numbers, which err alike
  Matrix<double> cap_slope;       // 1 - (S / cap)^2; empty without a soft-cap

  bool exact_operands() const { return g_operand.size() == 0; }
};
PairErrors pair_errors(const Problem<double>& problem, Index b, Index h, const std::vector<Index>& rows,
                       const Roundings& u);

// The rows _rows_ of a head, (rows, D)
Matrix<double> rows_of(const StridedHead<const double>& head, const std::vector<Index>& rows);

// For each row, how many rows have the same numbers; itself counts
Vector<double> rows_alike(const Matrix<double>& rows);

// Errors of A B^T where A and B are rounded to operands
Matrix<double> operand_errors(const Matrix<double>& A, const Matrix<double>& B, const Roundings& u);

// Error of a sum of _terms_ terms of one sign, relative to the sum; _alike_ of them are equal
double chain_error(const Roundings& u, Index terms, double alike = 1);

// Rows in pieces of 2^21 scores against all keys, 16 MiB, but of 16 rows at least.
struct RowChunk {
  Index begin;  // place of the first one in the list
  std::vector<Index> rows;
};
std::vector<RowChunk> row_chunks(const std::vector<Index>& rows, Index keys);

}  // namespace ringattn
