#pragma once

#include "reference/oracle/measured/finding.h"

namespace ringattn {

// What follows from one result that is right beside another one that is wrong: lse beside out, dv beside dq and dk.
// Both were computed from the same weights. Returns at most one finding on each wrong tensor.
std::vector<MeasuredFinding> compare_tensors(const std::vector<TensorVerdict>& verdicts);

}  // namespace ringattn
