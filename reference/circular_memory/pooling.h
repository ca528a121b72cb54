#pragma once

#include "reference/circular_memory/slots.h"

namespace ringattn {

// The weights w of a convolution that pools n = w.size() tokens into one slot, oldest token first.
using Kernel = Vector<double>;

Kernel mean_kernel(Index n);  // w_j = 1 / n
Kernel ramp_kernel(Index n);  // w_j in proportion to j, j = 1 .. n: newer tokens weigh more

// Pools the tokens of the slots _from_, one per slot, into the slot _to_ and empties _from_:
//
//   k' = sum_j w_j k_j     v' = sum_j w_j v_j
//
// This is a compression function of the Compressive Transformer (arXiv:1911.05507, section 3.2): mean pooling, or a
// convolution whose stride equals its width. There the convolution is learned and mixes channels; here the weights are
// given and equal for all channels. Pooling K and V equals pooling the activations, as the paper does, because k and v
// are linear in them.
template <class T>
void pool(const Kernel& kernel, const RowRange& from, Index to, Slots<T>& slots);

}  // namespace ringattn
