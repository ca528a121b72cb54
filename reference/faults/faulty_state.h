#pragma once

#include "reference/comm/transport.h"
#include "reference/definition/attention.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// A fault of the softmax state (m, l, O) when it absorbs a block.
enum class StateFault {
  no_rescale,      // m grows, but l and O are not multiplied by exp(m_before - m_after)
  no_maximum,      // m stays 0: exp of the scores themselves, which overflows for large scores
  masked_row_nan,  // exp(-inf - (-inf)), which is NaN, where a row sees no key of the block
  partials_bf16,   // l and O are rounded to bfloat16 after each block
};

// ring_attention on devices that all have the fault, while K and V rotate.
template <class T>
AttentionOutput<T> ring_attention_with(StateFault fault, const Problem<T>& problem, const RingOptions& options,
                                       const LinkDecorator<T>& decorate = {});

}  // namespace ringattn
