#pragma once

#include "reference/definition/problem.h"
#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Keys that rows see from or up to a wrong one. Where the mask shows a row the keys first..last, attention to
// from..last is compared with the found row for all _from_, and attention to first..up_to for all _up_to_. The rule
// that most rows follow is reported: a distance from the query, a fixed key, or the end of a tile.
void find_key_range(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                    Explanations& explanations);

}  // namespace ringattn
