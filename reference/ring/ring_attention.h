#pragma once

#include "reference/comm/transport.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// Exact attention over a ring of devices in this process.
//
//   Q (B, Sq, Hq, D)   K (B, Skv, Hkv, D)   V (B, Skv, Hkv, Dv)   ->   out (B, Sq, Hq, Dv)   lse (B, Sq, Hq, 1)
//
// The result is that of attention(), to rounding. A device holds its own shards, two buffers for the blocks that travel
// and one tile of scores, so its memory does not grow with the number of devices. _decorate_ may wrap the links, for
// example to delay messages. Throws BadInput if shapes or options are invalid; otherwise the first error of any device.
template <class T>
AttentionOutput<T> ring_attention(const Problem<T>& problem, const RingOptions& options,
                                  const LinkDecorator<T>& decorate = {});

// The vector-Jacobian product of ring_attention: dQ, dK and dV, with the shapes of Q, K and V. _forward_ is the output
// of the forward pass, all rows in global order.
template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                const LinkDecorator<T>& decorate = {});

// The same over any transport. A process computes the rows of its local devices only: it does not read other rows of
// _forward_, and leaves them 0 in the result.
template <class T>
AttentionOutput<T> ring_attention(const Problem<T>& problem, const RingOptions& options,
                                  Transport<T>& transport);
template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                Transport<T>& transport);

}  // namespace ringattn
