#pragma once

#include "reference/definition/problem.h"
#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Rows of out that are computed from the query of another row of their head, at a fixed distance, under their own mask
void find_query_rows(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                     Explanations& explanations);

}  // namespace ringattn
