#pragma once

#include "reference/comm/transport.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// Exact attention over a ring of devices: the result of the definition, while no device holds more than its shard of
// Q, K and V, two blocks that travel, and one tile of scores. Q (B, Sq, Hq, D), K (B, Skv, Hkv, D), V (B, Skv, Hkv, Dv);
// out (B, Sq, Hq, Dv) and lse (B, Sq, Hq, 1). Throws BadInput where shapes or options disagree, and the first error of
// any device.
template <class T>
AttentionOutput<T> ring_attention(const Problem<T>& problem, const RingOptions& options,
                                  const LinkDecorator<T>& decorate = {});

// Its vector-Jacobian product. _forward_ is the output of the forward in global order.
template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                const LinkDecorator<T>& decorate = {});

// The same over any transport. Rows of devices in other processes are neither read in _forward_ nor computed; they are
// 0 in the result.
template <class T>
AttentionOutput<T> ring_attention(const Problem<T>& problem, const RingOptions& options, Transport<T>& transport);
template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                Transport<T>& transport);

}  // namespace ringattn
