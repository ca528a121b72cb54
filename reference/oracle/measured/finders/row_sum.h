#pragma once

#include "reference/definition/problem.h"
#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Wrong sums of weights: rows of out that are right up to a factor of each row. Known laws of the factor are tried: no
// division by l, two divisions, hidden keys in the sum, 1 added after the shift by the maximum, a constant term as of a
// sink. If none holds, the rows are reported as right up to their sum.
void find_row_sum(const Problem<double>& problem, const RecordedTensor& out, const RecordedTensor* lse,
                  const WrongPart& part, Explanations& explanations);

}  // namespace ringattn
