#pragma once

#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Right values in a wrong place: a wrong row that equals another right row of the tensor. Of all equal rows, those
// are reported that follow the rule of most wrong rows: another head or sequence, rows further on, one row for all.
void find_places(const RecordedTensor& tensor, const WrongPart& part, Explanations& explanations);

// The same for the order of the whole tensor: its axes or its rows were stored in another order. Needs all rows.
void find_order(const RecordedTensor& tensor, const WrongPart& part, int devices, Explanations& explanations);

}  // namespace ringattn
