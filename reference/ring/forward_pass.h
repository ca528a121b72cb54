#pragma once

#include <functional>

#include "reference/comm/transport.h"
#include "reference/ring/forward_program.h"
#include "reference/ring/ring_options.h"
#include "reference/ring/shard.h"

namespace ringattn {

// Makes the program of one device from its shards.
template <class T>
using ForwardFactory =
    std::function<std::unique_ptr<ForwardProgram<T>>(const RingConfig& config, QueryShard<T> queries, KvShard<T> kv)>;

// A forward pass with any program: shards Q, K and V, runs the programs around the ring, gathers out and lse. Throws
// BadInput where shapes or options disagree.
template <class T>
AttentionOutput<T> forward_pass(const Problem<T>& problem, const RingOptions& options, Transport<T>& transport,
                                const ForwardFactory<T>& make_program);

// Throws BadInput where a ring cannot compute the problem
template <class T>
void check(const Problem<T>& problem, const RingOptions& options);

}  // namespace ringattn
