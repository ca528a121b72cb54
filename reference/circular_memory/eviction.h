#pragma once

#include "reference/circular_memory/slots.h"

namespace ringattn {

// The slot to evict so that _newcomer_ can be kept: of the slots _kept_ and _newcomer_, the one with the least
// accumulated attention; of equals, the oldest token. It may be _newcomer_ itself.
// This is the eviction of H2O (arXiv:2306.14048, Algorithm 1), whose score of a token is the sum of the attention
// weights that it has had. The tokens of the window are not candidates.
template <class T>
Index least_attended(const Slots<T>& slots, const RowRange& kept, Index newcomer) {
  const auto is_less = [&](Index a, Index b) {
    return slots.attention(a) < slots.attention(b) ||
           (slots.attention(a) == slots.attention(b) && slots.tokens(a, 0) < slots.tokens(b, 0));
  };
  Index evicted = newcomer;
  for (Index slot = kept.begin; slot < kept.end; ++slot)
    if (is_less(slot, evicted)) evicted = slot;
  return evicted;
}

}  // namespace ringattn
