#pragma once

#include <optional>

#include "reference/oracle/verdict/submission.h"

namespace ringattn {

// bf16 or f16, if every finite number of _results_ is one and the numbers use all its digits, as those of an
// implementation in that type do; _stored_: the wider type in which they are submitted
std::optional<Dtype> narrow_type(const TensorView<const double>& results, Dtype stored);

}  // namespace ringattn
