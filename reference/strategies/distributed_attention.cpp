#include "reference/strategies/distributed_attention.h"

#include "reference/ring/backward_pass.h"
#include "reference/ring/forward_pass.h"
#include "reference/strategies/all_gather.h"
#include "reference/strategies/bidirectional.h"
#include "reference/strategies/double_ring.h"
#include "reference/strategies/pass_choice.h"
#include "reference/strategies/tree_decode.h"
#include "reference/strategies/usp.h"

namespace ringattn {

ScheduleFactory block_schedule(const StrategyOptions& o) {
  switch (o.strategy) {
    case Strategy::all_gather:
      return all_gather_schedule;
    case Strategy::double_ring:
      return double_ring_schedule(group_size(o));
    default:
      return ring_schedule;
  }
}

template <class T>
AttentionOutput<T> distributed_attention(const Problem<T>& problem, const StrategyOptions& options,
                                         Transport<T>& transport) {
  check(problem, options.ring);
  check_strategy(options, problem.Q.shape.H, problem.K.shape.H, false);
  RingOptions ring = options.ring;
  switch (options.strategy) {
    case Strategy::bidirectional:
      return bidirectional_attention(problem, ring, transport);
    case Strategy::ulysses:
    case Strategy::usp:
      return usp_attention(problem, ring, group_size(options), transport);
    case Strategy::tree:
      return tree_attention(problem, ring, transport).front();
    case Strategy::automatic:
      ring.rotate = forward_rotation(problem.Q.shape, problem.K.shape, problem.V.shape);
      break;
    default:
      break;
  }
  return forward_pass<T>(problem, ring, transport, forward_program<T>(ring.rotate), block_schedule(options));
}

template <class T>
Gradients<T> distributed_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                       const Cotangents<T>& cotangents, const StrategyOptions& options,
                                       Transport<T>& transport) {
  check(problem, options.ring);
  check_strategy(options, problem.Q.shape.H, problem.K.shape.H, true);
  RingOptions ring = options.ring;
  switch (options.strategy) {
    case Strategy::bidirectional:
      return bidirectional_attention_vjp(problem, forward, cotangents, ring, transport);
    case Strategy::ulysses:
    case Strategy::usp:
      return usp_attention_vjp(problem, forward, cotangents, ring, group_size(options), transport);
    case Strategy::automatic:
      ring.rotate = backward_rotation(problem.Q.shape, problem.K.shape, problem.V.shape);
      break;
    default:
      break;
  }
  return backward_pass<T>(problem, forward, cotangents, ring, transport, block_schedule(options));
}

#define RINGATTN_FOR(T)                                                                         \
  template AttentionOutput<T> distributed_attention(const Problem<T>&, const StrategyOptions&,  \
                                                    Transport<T>&);                             \
  template Gradients<T> distributed_attention_vjp(const Problem<T>&, const AttentionOutput<T>&, \
                                                  const Cotangents<T>&, const StrategyOptions&, \
                                                  Transport<T>&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
