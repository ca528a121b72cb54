#pragma once

#include "reference/comm/transport.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// A backward pass: shards Q, K, V and the cotangents, runs the programs around the ring, gathers dQ, dK and dV. Throws
// BadInput where shapes or options disagree.
template <class T>
Gradients<T> backward_pass(const Problem<T>& problem, const AttentionOutput<T>& forward,
                           const Cotangents<T>& cotangents, const RingOptions& options, Transport<T>& transport);

}  // namespace ringattn
