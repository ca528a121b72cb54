#pragma once

#include "reference/oracle/examine/backward/gradient_readout.h"

namespace ringattn {

// What P and dS of a backward pass have in common: which factors and which places explain what was found.

// |found - wanted| <= allowed, element by element
bool within(const Matrix<double>& found, const Matrix<double>& wanted, const Matrix<double>& allowed);

// Rows of a matrix of pairs that hold a wrong element
std::vector<Index> wrong_rows(const Matrix<double>& found, const Matrix<double>& right,
                              const Matrix<double>& allowed);

// A factor of all pairs, of rows, of keys or of the blocks of the ring; blocks or keys that hold what belongs to
// others. Empty: none of these
std::vector<Finding> common_findings(const ExaminationState& state, const Matrix<double>& found,
                                     const Matrix<double>& right, const Matrix<double>& allowed,
                                     double tolerance);

// Keys whose pairs are the right ones of other keys.
struct KeyMap {
  std::vector<Index> keys, sources;
};

// The source of each key of a matrix whose pairs are not all 0, if nearly all have one, and some another one
std::optional<KeyMap> moved_keys(const Matrix<double>& found, const Matrix<double>& right,
                                 const Matrix<double>& allowed);

// The keys that the backward pass reads, where these are not those of the forward
std::vector<Finding> mask_findings(const ExaminationState& state, const HeadGradients& head,
                                   const Matrix<bool>& read);

Finding unexplained_gradient(const Matrix<double>& found, const Matrix<double>& right,
                             const Matrix<double>& allowed);

}  // namespace ringattn
