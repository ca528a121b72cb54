#pragma once

#include "reference/definition/problem.h"
#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Rows of out or lse in which bias, boolean mask or dropout were left out, or were read otherwise: the mask or keep as
// its opposite, the bias or the mask of head 0, dropout without its factor.
void find_ignored_terms(const Problem<double>& problem, const RecordedTensor& tensor, const WrongPart& part,
                        Explanations& explanations);

}  // namespace ringattn
