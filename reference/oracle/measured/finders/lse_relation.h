#pragma once

#include "reference/definition/problem.h"
#include "reference/oracle/measured/finding.h"

namespace ringattn {

// What a wrong lse is instead: another function of the right sums of its row (another base, no maximum, no logarithm,
// the maximum alone, hidden keys in the sum), or the right one plus a constant, for all rows, each head or each device.
void find_lse_relation(const Problem<double>& problem, const RecordedTensor& lse, const WrongPart& part,
                       Explanations& explanations);

}  // namespace ringattn
