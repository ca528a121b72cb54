#pragma once

#include "reference/definition/problem.h"
#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Operands from wrong heads: for each query head with wrong rows of out or lse, every other head of its sequence and
// the same head of every other sequence is tried as the source of Q, of K, of V, and of K and V together.
void find_head_map(const Problem<double>& problem, const RecordedTensor& out_or_lse, const WrongPart& part,
                   Explanations& explanations);

}  // namespace ringattn
