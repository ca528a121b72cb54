#pragma once

#include "reference/comm/transport.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// A backward pass: shards Q, K, V, the cotangents and the lse of _forward_, runs the programs of the local devices
// around the ring, then gathers dQ, dK and dV, with the shapes of Q, K and V. Throws BadInput if shapes or options are
// invalid.
template <class T>
Gradients<T> backward_pass(const Problem<T>& problem, const AttentionOutput<T>& forward,
                           const Cotangents<T>& cotangents, const RingOptions& options,
                           Transport<T>& transport);

}  // namespace ringattn
