#pragma once

#include "reference/comm/transport.h"
#include "reference/definition/attention.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// A fault in the update of the softmax state (m, l, O) by a block.
enum class StateFault {
  no_rescale,      // m grows, but l and O are not multiplied by exp(m_before - m_after)
  no_maximum,      // m is 0: exp(score) without subtracting the maximum, which overflows for large scores
  masked_row_nan,  // exp(-inf - (-inf)) = NaN for a row that attends to no key of the block
  partials_bf16,   // l and O are rounded to bfloat16 after each block
};

// ring_attention with the fault on every device. Throws BadInput unless K and V rotate.
template <class T>
AttentionOutput<T> ring_attention_with(StateFault fault, const Problem<T>& problem,
                                       const RingOptions& options, const LinkDecorator<T>& decorate = {});

}  // namespace ringattn
