#include "reference/transport/ring_attention.h"

#include "reference/blockwise/block_backward.h"
#include "reference/definition/bad_input.h"
#include "reference/ring/backward.h"
#include "reference/transport/threads.h"

namespace ringattn {

namespace {

template <class T>
void check(const Problem<T>& problem, const RingOptions& options) {
  check(problem);
  require(!problem.bias && !problem.allowed,
          "[ring_attention] a bias or boolean mask names pairs of rows, which do not travel with a block; "
          "use causal, window or "
          "segments, or the full attention of the definition");
  require(options.devices >= 1, "[ring_attention] devices must be at least 1; found ", options.devices);
  require(options.threads >= 0, "[ring_attention] threads must not be negative; found ", options.threads);
  require(!options.facts || static_cast<int>(options.facts->size()) == options.devices,
          "[ring_attention] each device needs a recorder of its own; found ",
          options.facts ? options.facts->size() : 0, " for ", options.devices, " devices");
}

template <class T>
Agreement agree(const Problem<T>& problem, const RingOptions& options) {
  Agreement agreement;
  agreement.scoring = problem.scoring;
  agreement.layout = options.layout;
  agreement.devices = options.devices;
  agreement.q = problem.Q.shape, agreement.k = problem.K.shape, agreement.v = problem.V.shape;
  agreement.q_rows = largest_shard(options.layout, options.devices, problem.Q.shape.S);
  agreement.kv_rows = largest_shard(options.layout, options.devices, problem.K.shape.S);
  agreement.watched = options.watched;
  return agreement;
}

// Bytes of what the largest shards hold
struct ShardBytes {
  Index Q, K_V, O, rows;  // rows: one number for each query and head
  Index q_tokens, kv_tokens;
};

template <class T>
ShardBytes largest_shards(const Problem<T>& problem, const Agreement& a) {
  const Index rows = a.q.B * a.q_rows * a.q.H * Index{sizeof(T)},
              keys = a.k.B * a.kv_rows * a.k.H * Index{sizeof(T)};
  const auto bytes = [](const Tokens& tokens, Index length) {
    return tokens.sequences() * length * Index{sizeof(Token)};
  };
  return {rows * a.q.D,
          keys * (a.k.D + a.v.D),
          rows * a.v.D,
          rows,
          bytes(problem.q_tokens, a.q_rows),
          bytes(problem.kv_tokens, a.kv_rows)};
}

template <class T>
Agreement forward_agreement(const Problem<T>& problem, const RingOptions& options) {
  Agreement agreement = agree(problem, options);
  const ShardBytes of = largest_shards(problem, agreement);
  agreement.slot_bytes = options.rotate == Rotation::kv ? of.K_V + of.kv_tokens : of.Q + of.q_tokens;
  agreement.result_bytes = of.O + 2 * of.rows;
  return agreement;
}

template <class T>
Agreement backward_agreement(const Problem<T>& problem, const RingOptions& options) {
  Agreement agreement = agree(problem, options);
  const ShardBytes of = largest_shards(problem, agreement);
  const bool kv_rotates = options.rotate == Rotation::kv;
  agreement.slot_bytes = kv_rotates ? of.K_V + of.kv_tokens : of.Q + of.q_tokens + of.O + 2 * of.rows;
  agreement.result_bytes = kv_rotates ? of.K_V : of.Q;
  return agreement;
}

template <class ConcreteWork>
using Works = std::vector<std::unique_ptr<ConcreteWork>>;

template <class T, class ConcreteWork>
void go_round(const Works<ConcreteWork>& works, Transport<T>& transport) {
  std::vector<Work<T>*> here;
  for (const auto& work : works) here.push_back(work.get());
  transport.go_round(here);
}

template <class T, class ConcreteWork>
Attended<T> forward(const Problem<T>& problem, const RingOptions& options, Transport<T>& transport,
                    const Absorb<T>& absorb) {
  const Agreement agreement = forward_agreement(problem, options);
  Works<ConcreteWork> works;
  for (int d = transport.here().begin; d < transport.here().end; ++d)
    works.push_back(std::make_unique<ConcreteWork>(
        d, QueryShard<T>(problem, options.layout, d, options.devices),
        KvShard<T>(problem, options.layout, d, options.devices), agreement, absorb));
  go_round<T>(works, transport);

  const Shape out = problem.out_shape();
  Attended<T> result{Tensor<T>(out), row_tensor<T>(out.B, out.S, out.H)};
  for (const auto& work : works) {
    const Attended<T> local = work->finish();
    scatter_rows(local.out, work->rows(), result.out);
    scatter_rows(local.lse, work->rows(), result.lse);
  }
  return result;
}

template <class T, class ConcreteWork>
Gradients<T> backward(const Problem<T>& problem, const Attended<T>& forward, const Cotangents<T>& cotangents,
                      const RingOptions& options, Transport<T>& transport) {
  const Agreement agreement = backward_agreement(problem, options);
  const Tensor<T> shifts = query_shift<T>(cotangents, forward.out, forward.lse);
  Works<ConcreteWork> works;
  for (int d = transport.here().begin; d < transport.here().end; ++d) {
    QueryShard<T> queries(problem, options.layout, d, options.devices);
    CotangentShard<T> rows(forward, cotangents, shifts, queries.rows);
    works.push_back(std::make_unique<ConcreteWork>(d, std::move(queries),
                                                   KvShard<T>(problem, options.layout, d, options.devices),
                                                   std::move(rows), agreement));
  }
  go_round<T>(works, transport);

  Gradients<T> result{Tensor<T>(problem.Q.shape), Tensor<T>(problem.K.shape), Tensor<T>(problem.V.shape)};
  for (const auto& work : works) {
    scatter_rows(work->gradients().dq, work->query_rows(), result.dq);
    scatter_rows(work->gradients().dk, work->kv_rows(), result.dk);
    scatter_rows(work->gradients().dv, work->kv_rows(), result.dv);
  }
  return result;
}

}  // namespace

template <class T>
Attended<T> ring_attention(const Problem<T>& problem, const RingOptions& options, Transport<T>& transport,
                           const Absorb<T>& absorb) {
  check(problem, options);
  require(!absorb || options.rotate == Rotation::kv,
          "[ring_attention] what a device does with a block can be replaced where K and V rotate; found Q "
          "rotating; rotate K and V");
  return options.rotate == Rotation::kv ? forward<T, ForwardKv<T>>(problem, options, transport, absorb)
                                        : forward<T, ForwardQ<T>>(problem, options, transport, absorb);
}

template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const Attended<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                Transport<T>& transport) {
  check(problem, options);
  ringattn::check(problem, cotangents);
  return options.rotate == Rotation::kv
             ? backward<T, BackwardKv<T>>(problem, forward, cotangents, options, transport)
             : backward<T, BackwardQ<T>>(problem, forward, cotangents, options, transport);
}

template <class T>
Attended<T> ring_attention(const Problem<T>& problem, const RingOptions& options,
                           const LinkDecorator<T>& decorate, const Absorb<T>& absorb) {
  Threads<T> threads(options, decorate);
  return ring_attention<T>(problem, options, threads, absorb);
}

template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const Attended<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                const LinkDecorator<T>& decorate) {
  Threads<T> threads(options, decorate);
  return ring_attention_vjp<T>(problem, forward, cotangents, options, threads);
}

#define RINGATTN_FOR(T)                                                                                 \
  template Attended<T> ring_attention(const Problem<T>&, const RingOptions&, Transport<T>&,             \
                                      const Absorb<T>&);                                                \
  template Gradients<T> ring_attention_vjp(const Problem<T>&, const Attended<T>&, const Cotangents<T>&, \
                                           const RingOptions&, Transport<T>&);                          \
  template Attended<T> ring_attention(const Problem<T>&, const RingOptions&, const LinkDecorator<T>&,   \
                                      const Absorb<T>&);                                                \
  template Gradients<T> ring_attention_vjp(const Problem<T>&, const Attended<T>&, const Cotangents<T>&, \
                                           const RingOptions&, const LinkDecorator<T>&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
