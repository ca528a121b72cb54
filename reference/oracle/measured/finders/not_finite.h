#pragma once

#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Rows that are NaN in every wrong channel, with what the right lse of out and dq says of their cause
void find_not_finite(const RecordedTensor& tensor, const WrongPart& part, const Tensor<double>& right_lse,
                     Explanations& explanations);

}  // namespace ringattn
