#include "reference/ring/ring_attention.h"

#include "reference/blockwise/block_backward.h"
#include "reference/definition/bad_input.h"
#include "reference/ring/backward.h"
#include "reference/comm/in_process/thread_transport.h"

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
          options.recorders ? options.facts->size() : 0, " for ", options.devices, " devices");
}

template <class T>
RingConfig agree(const Problem<T>& problem, const RingOptions& options) {
  RingConfig config;
  config.scoring = problem.scoring;
  config.layout = options.layout;
  config.devices = options.devices;
  config.q = problem.Q.shape, config.k = problem.K.shape, config.v = problem.V.shape;
  config.q_rows = largest_shard(options.layout, options.devices, problem.Q.shape.S);
  config.kv_rows = largest_shard(options.layout, options.devices, problem.K.shape.S);
  config.traced_rows = options.traced_rows;
  return config;
}

// Bytes of what the largest shards hold
struct ShardBytes {
  Index Q, K_V, O, rows;  // rows: one number for each query and head
  Index q_positions, kv_positions;
};

template <class T>
ShardBytes largest_shards(const Problem<T>& problem, const RingConfig& a) {
  const Index rows = a.q.B * a.q_rows * a.q.H * Index{sizeof(T)},
              keys = a.k.B * a.kv_rows * a.k.H * Index{sizeof(T)};
  const auto bytes = [](const RowPositions& positions, Index length) {
    return positions.sequences() * length * Index{sizeof(RowPosition)};
  };
  return {rows * a.q.D,
          keys * (a.k.D + a.v.D),
          rows * a.v.D,
          rows,
          bytes(problem.q_positions, a.q_rows),
          bytes(problem.kv_positions, a.kv_rows)};
}

template <class T>
RingConfig forward_agreement(const Problem<T>& problem, const RingOptions& options) {
  RingConfig config = agree(problem, options);
  const ShardBytes of = largest_shards(problem, config);
  config.slot_bytes = options.rotate == Rotation::kv ? of.K_V + of.kv_positions : of.Q + of.q_positions;
  config.result_bytes = of.O + 2 * of.rows;
  return config;
}

template <class T>
RingConfig backward_agreement(const Problem<T>& problem, const RingOptions& options) {
  RingConfig config = agree(problem, options);
  const ShardBytes of = largest_shards(problem, config);
  const bool kv_rotates = options.rotate == Rotation::kv;
  config.slot_bytes = kv_rotates ? of.K_V + of.kv_positions : of.Q + of.q_positions + of.O + 2 * of.rows;
  config.result_bytes = kv_rotates ? of.K_V : of.Q;
  return config;
}

template <class ConcreteWork>
using Works = std::vector<std::unique_ptr<ConcreteWork>>;

template <class T, class ConcreteWork>
void run_works(const Works<ConcreteWork>& works, Transport<T>& transport) {
  std::vector<DeviceProgram<T>*> local;
  for (const auto& work : works) local.push_back(work.get());
  transport.run(local);
}

template <class T, class ConcreteWork>
AttentionOutput<T> forward(const Problem<T>& problem, const RingOptions& options, Transport<T>& transport,
                    const Absorb<T>& absorb) {
  const RingConfig config = forward_agreement(problem, options);
  Works<ConcreteWork> works;
  for (int d = transport.local_devices().begin; d < transport.local_devices().end; ++d)
    works.push_back(std::make_unique<ConcreteWork>(
        d, QueryShard<T>(problem, options.layout, d, options.devices),
        KvShard<T>(problem, options.layout, d, options.devices), config, absorb));
  run_works<T>(works, transport);

  const Shape out = problem.out_shape();
  AttentionOutput<T> result{Tensor<T>(out), row_tensor<T>(out.B, out.S, out.H)};
  for (const auto& work : works) {
    const AttentionOutput<T> local = work->finish();
    scatter_rows(local.out, work->rows(), result.out);
    scatter_rows(local.lse, work->rows(), result.lse);
  }
  return result;
}

template <class T, class ConcreteWork>
Gradients<T> backward(const Problem<T>& problem, const AttentionOutput<T>& forward, const Cotangents<T>& cotangents,
                      const RingOptions& options, Transport<T>& transport) {
  const RingConfig config = backward_agreement(problem, options);
  const Tensor<T> shifts = row_terms_of<T>(cotangents, forward.out, forward.lse);
  Works<ConcreteWork> works;
  for (int d = transport.local_devices().begin; d < transport.local_devices().end; ++d) {
    QueryShard<T> queries(problem, options.layout, d, options.devices);
    CotangentShard<T> rows(forward, cotangents, shifts, queries.rows);
    works.push_back(std::make_unique<ConcreteWork>(d, std::move(queries),
                                                   KvShard<T>(problem, options.layout, d, options.devices),
                                                   std::move(rows), config));
  }
  run_works<T>(works, transport);

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
AttentionOutput<T> ring_attention(const Problem<T>& problem, const RingOptions& options, Transport<T>& transport,
                           const Absorb<T>& absorb) {
  check(problem, options);
  require(!absorb || options.rotate == Rotation::kv,
          "[ring_attention] what a device does with a block can be replaced where K and V rotate; found Q "
          "rotating; rotate K and V");
  return options.rotate == Rotation::kv ? forward<T, ForwardKv<T>>(problem, options, transport, absorb)
                                        : forward<T, ForwardQ<T>>(problem, options, transport, absorb);
}

template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                Transport<T>& transport) {
  check(problem, options);
  ringattn::check(problem, cotangents);
  return options.rotate == Rotation::kv
             ? backward<T, BackwardKv<T>>(problem, forward, cotangents, options, transport)
             : backward<T, BackwardQ<T>>(problem, forward, cotangents, options, transport);
}

template <class T>
AttentionOutput<T> ring_attention(const Problem<T>& problem, const RingOptions& options,
                           const LinkDecorator<T>& decorate, const Absorb<T>& absorb) {
  ThreadTransport<T> threads(options, decorate);
  return ring_attention<T>(problem, options, threads, absorb);
}

template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                const LinkDecorator<T>& decorate) {
  ThreadTransport<T> threads(options, decorate);
  return ring_attention_vjp<T>(problem, forward, cotangents, options, threads);
}

#define RINGATTN_FOR(T)                                                                                 \
  template AttentionOutput<T> ring_attention(const Problem<T>&, const RingOptions&, Transport<T>&,             \
                                      const Absorb<T>&);                                                \
  template Gradients<T> ring_attention_vjp(const Problem<T>&, const AttentionOutput<T>&, const Cotangents<T>&, \
                                           const RingOptions&, Transport<T>&);                          \
  template AttentionOutput<T> ring_attention(const Problem<T>&, const RingOptions&, const LinkDecorator<T>&,   \
                                      const Absorb<T>&);                                                \
  template Gradients<T> ring_attention_vjp(const Problem<T>&, const AttentionOutput<T>&, const Cotangents<T>&, \
                                           const RingOptions&, const LinkDecorator<T>&);
RINGATTN_FOR(float)
RINGATTN_FOR(double)
#undef RINGATTN_FOR

}  // namespace ringattn
