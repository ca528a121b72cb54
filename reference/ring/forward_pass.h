#pragma once

#include <functional>

#include "reference/comm/transport.h"
#include "reference/ring/programs/forward_program.h"
#include "reference/ring/programs/shard.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// A function that makes the program of one device from the shards of that device. The program may keep a reference to
// _config_.
template <class T>
using ForwardFactory = std::function<std::unique_ptr<ForwardProgram<T>>(
    const RingConfig& config, QueryShard<T> queries, KvShard<T> kv)>;

// A forward pass: shards Q, K and V, runs the programs of the local devices around the ring, then gathers out
// (B, Sq, Hq, Dv) and lse (B, Sq, Hq, 1). Throws BadInput if shapes or options are invalid.
template <class T>
AttentionOutput<T> forward_pass(const Problem<T>& problem, const RingOptions& options,
                                Transport<T>& transport, const ForwardFactory<T>& make_program);

// Throws BadInput if a ring with these options cannot compute the problem
template <class T>
void check(const Problem<T>& problem, const RingOptions& options);

}  // namespace ringattn
