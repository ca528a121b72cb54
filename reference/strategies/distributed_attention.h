#pragma once

#include "reference/comm/transport.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/schedule.h"
#include "reference/strategies/strategy.h"

namespace ringattn {

// The schedule of the strategies that differ from a ring in nothing else
ScheduleFactory block_schedule(const StrategyOptions& options);

// Exact attention over several devices by any strategy. The result is that of attention(), to rounding; shapes and errors
// are those of ring_attention().
template <class T>
AttentionOutput<T> distributed_attention(const Problem<T>& problem, const StrategyOptions& options,
                                         Transport<T>& transport);

// Its vector-Jacobian product; shapes and errors are those of ring_attention_vjp()
template <class T>
Gradients<T> distributed_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                       const Cotangents<T>& cotangents, const StrategyOptions& options,
                                       Transport<T>& transport);

}  // namespace ringattn
