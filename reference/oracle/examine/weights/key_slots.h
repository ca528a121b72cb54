#pragma once

#include <optional>

#include "reference/oracle/examine/examination.h"

namespace ringattn {

// The keys that lie in the slots of a head, in K and V alike, where the mask hides slots: slot j holds key p(j), or
// zeros (score 0 and value 0). None unless this gives all weights under even and under varied scores.
std::optional<Finding> find_key_slots(const ExaminationState& state, const HeadReadout& head);

}  // namespace ringattn
