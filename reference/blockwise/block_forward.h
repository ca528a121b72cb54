#pragma once

#include "reference/blockwise/softmax_state.h"

namespace ringattn {

// One head of a block of queries attends to a block of keys: its state absorbs them, tile by tile
template <class T>
void attend(const BlockPair<T>& pair, Index b, Index h, SoftmaxState<T>& state, ScoreTile<T>& scratch);

}  // namespace ringattn
