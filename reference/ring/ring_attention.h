#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/ring/forward.h"
#include "reference/ring/ring_options.h"
#include "reference/ring/transport.h"

namespace ringattn {

// Exact attention over a ring: what the definition gives, with no device holding more than its share of Q, K
// and V, two blocks that travel, and one tile of scores. out (B, Sq, Hq, Dv) and lse (B, Sq, Hq, 1). Throws
// BadInput where shapes disagree, and the first error of any device. _absorb_: what devices are to do with a
// block in the place of what is right; only where K and V rotate.
template <class T>
AttentionOutput<T> ring_attention(const Problem<T>& problem, const RingOptions& options,
                           const LinkDecorator<T>& decorate = {}, const Absorb<T>& absorb = {});

// Its vector-Jacobian product. _forward_ is the finished forward, in global order.
template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                const LinkDecorator<T>& decorate = {});

// The same over any transport. Only the rows of the devices that live in this process are computed, and only
// those of _forward_ are read; the others are 0.
template <class T>
AttentionOutput<T> ring_attention(const Problem<T>& problem, const RingOptions& options, Transport<T>& transport,
                           const Absorb<T>& absorb = {});
template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                Transport<T>& transport);

}  // namespace ringattn
