#pragma once

#include <limits>

#include "reference/trace/event.h"

namespace ringattn::viz {

// The rule by which a run updated the sum l of a row. The numbers of a row event decide which one it is, so that a
// picture of a faulty run shows what that run computed.
enum class UpdateRule {
  rescaled,         // l = alpha l + sum exp(S - m), the correct rule
  not_rescaled,     // l = l + sum exp(S - m)
  without_maximum,  // l = alpha l + sum exp(S) and m = 0
  masked_as_visible,  // all keys are masked, m_block = -inf, l_block = NaN, and l = alpha l + exp(m_block - m) l_block
  rounded_to_bf16,  // l = alpha l + sum exp(S - m), rounded to bfloat16
  unknown           // none of these
};

// The update of l by one row event: l_after = factor l_before + added, then rounded if the rule says so.
struct Update {
  UpdateRule rule = UpdateRule::rescaled;
  double factor = 1;         // applied to l and O before
  double added = 0;          // the contribution of the block
  double correct_added = 0;  // by the correct rule, relative to the same maximum
};

// The largest finite number of the arithmetic of a run in _dtype_
double largest_number(std::string_view dtype);

// _largest_: a larger sum is infinite
Update update_of(const RowUpdate& row, double largest = std::numeric_limits<double>::max());

// Whether two values of a run are equal up to rounding, or both NaN, or the same infinity. The run rounds its scores in
// proportion to their magnitude
bool agree(double a, double b, double score_magnitude);

}  // namespace ringattn::viz
