#pragma once

#include "reference/blockwise/softmax_state.h"

namespace ringattn {

// Forward pass of one block pair, for query head h of sequence b: the softmax state of the queries absorbs the block of
// keys and values, tile by tile. Only the rows of head h change.
template <class T>
void attend(const BlockPair<T>& pair, Index b, Index h, SoftmaxState<T>& state, ScoreTile<T>& scratch);

}  // namespace ringattn
