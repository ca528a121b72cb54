#pragma once

#include "reference/definition/problem.h"
#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Another softmax scale: the factor on all scores that fits the wrong rows of out best, over all heads, then for each
// head that it does not explain. Where lse was submitted, it must agree.
void find_scale(const Problem<double>& problem, const RecordedTensor& out, const RecordedTensor* lse,
                const WrongPart& part, Explanations& explanations);

}  // namespace ringattn
