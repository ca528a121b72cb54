#pragma once

#include <set>
#include <string>

#include "reference/oracle/examine/backward/gradient_readout.h"

namespace ringattn {

// dQ, dK or dV of ordinary numbers.
struct NamedGradient {
  const char* name;
  Tensor<double>& found;
  const Tensor<double>&right, &allowed;
  std::vector<Index>* channels;  // of the readout, that pairs are read from

  bool of_keys() const { return std::string(name) != "dq"; }
  bool is_wrong(Index b, Index i, Index h, Index d) const {
    return !(std::abs(found(b, i, h, d) - right(b, i, h, d)) <= allowed(b, i, h, d));
  }
  bool is_wrong() const;
};

std::vector<NamedGradient> named_gradients(GradientReadout& readout);

// The rows (keys) of each head of a gradient
using RowsOfHeads = PerHead<std::set<Index>>;

// Rows that are not finite, and rows of zeros that should not be 0
RowsOfHeads rows_not_finite(const NamedGradient& gradient);
RowsOfHeads rows_of_zeros(const NamedGradient& gradient);

// Is the gradient right in all other rows?
bool is_right_elsewhere(const NamedGradient& gradient, const RowsOfHeads& rows);

// Adds a finding about the rows, and sets them to the right ones
void explain_rows(ExaminationState& state, NamedGradient& gradient, const RowsOfHeads& rows,
                  FindingKind kind);

// Finds channels that are wrong, sets them to the right ones, and takes them from those that pairs are read from
void find_wrong_channels(ExaminationState& state, const GradientReadout& readout, NamedGradient& gradient);

// Returns whether rows of the gradient stand in other rows
bool find_moved_gradients(ExaminationState& state, const NamedGradient& gradient);

}  // namespace ringattn
