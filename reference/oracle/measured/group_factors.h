#pragma once

#include <optional>

#include "reference/oracle/measured/recorded_tensor.h"

namespace ringattn {

// The factors f of groups of keys, from the equations of key_weights.h.
struct GroupFactors {
  Vector<double> f;            // (groups) 1: as right visible keys
  Vector<double> uncertainty;  // (groups) standard deviation of f under noise of half a tolerance
};

// One row: for each group the sum of right weights e^{s - lse} of its keys, and of weight times value.
struct GroupSums {
  Vector<double> weight;  // (groups)
  Vector<double> keys;    // (groups) number of keys
  Matrix<double> value;   // (groups, Dv)
  Vector<double> out;     // (Dv) the found row
  double tolerance = 0;   // of the row
};

// The factors of most groups in _visible_ are 1. None if the rows do not determine f, or are no such sums
std::optional<GroupFactors> fit_group_factors(const std::vector<GroupSums>& rows,
                                              const std::vector<char>& visible,
                                              const std::vector<Index>& channels);

// The row that has these factors; NaN if its weights add up to 0
Vector<double> row_with_factors(const GroupSums& row, const Vector<double>& f);

}  // namespace ringattn
