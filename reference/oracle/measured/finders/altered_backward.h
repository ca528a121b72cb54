#pragma once

#include "reference/oracle/measured/finders/backward_alterations.h"
#include "reference/oracle/measured/finding.h"

namespace ringattn {

// Gradients of a backward pass that reads something else. dk and dv may have it from some query rows only: with right
// parts p_i and altered parts a_i of query rows i, the coefficients c_i of
//   found - truth = sum_i c_i (a_i - p_i)
// are fitted to all keys of a head; those near 1 are the rows. _forward_ is the right result of all rows.
void find_altered_backward(const Problem<double>& problem, const AttentionOutput<double>& forward,
                           const Cotangents<double>& cotangents, const RecordedTensor& gradient,
                           const WrongPart& part, Explanations& explanations);

}  // namespace ringattn
