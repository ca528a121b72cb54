#pragma once

#include "reference/definition/attention_vjp.h"

namespace ringattn {

// Attention on one device, tile by tile (Blockwise Parallel Transformer, arXiv:2305.19370): equals attention() up to
// rounding, in memory proportional to Sq + Skv. The K/V heads are distributed over _threads_ threads; their number does
// not change the bits of the result.
// Throws BadInput if the shapes disagree or the problem has a bias or a boolean mask.
template <class T>
AttentionOutput<T> blockwise_attention(const Problem<T>& problem, int threads = 1);

// The same for the backward pass; _forward_ is the result of attention over all keys
template <class T>
Gradients<T> blockwise_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                     const Cotangents<T>& cotangents, int threads = 1);

}  // namespace ringattn
