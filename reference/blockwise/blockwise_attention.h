#pragma once

#include "reference/definition/attention_vjp.h"

namespace ringattn {

// Attention on one device, tile by tile: the same result as the definition without the matrix of all scores.
// The heads are dealt out to _threads_ threads. Throws BadInput where shapes disagree or a bias or boolean
// mask is given.
template <class T>
AttentionOutput<T> blockwise_attention(const Problem<T>& problem, int threads = 1);

template <class T>
Gradients<T> blockwise_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                     const Cotangents<T>& cotangents, int threads = 1);

}  // namespace ringattn
