#pragma once

#include "reference/ring/forward.h"

namespace ringattn {

// What can go wrong with the state of a row, (m, l, O), where it takes in a block.
enum class StateFault {
  no_rescale,      // m grows, and what l and O hold already is not shrunk by exp(m_before - m_after)
  no_maximum,      // m stays 0: exp of the very scores, which is infinite for large ones
  masked_row_nan,  // where a whole block is hidden from a row, exp(-inf - (-inf)), which is NaN
  partials_bf16,   // l and O are rounded to bfloat16 after each block
};

// Devices that make this mistake with each block, to see what becomes of a run
template <class T>
Absorb<T> faulty_states(StateFault fault);

}  // namespace ringattn
