#pragma once

#include <functional>

#include "reference/circular_memory/streaming_attention.h"

namespace ringattn {

// Called after each token of K/V head _g_ of sequence _b_, with the attention of that head.
template <class T>
using AfterToken = std::function<void(Index b, Index g, Index token, const StreamingAttention<T>& attention)>;

// Causal attention with one circular memory for each K/V head: Q, K and V are streamed token by token -> out (B, S, Hq,
// Dv), approximate. Throws BadInput unless the problem is causal self-attention over consecutive positions, without a
// window, bias or boolean mask.
template <class T>
Tensor<T> circular_attention(const Problem<T>& problem, const MemoryOptions& options,
                             const AfterToken<T>& after_token = {});

}  // namespace ringattn
