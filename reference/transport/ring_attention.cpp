#include "reference/transport/ring_attention.h"

#include "reference/blockwise/block_backward.h"
#include "reference/definition/bad_input.h"
#include "reference/ring/backward.h"
#include "reference/ring/loop.h"
#include "reference/transport/drive.h"

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

// Lets the works go round the ring
template <class T, class ConcreteWork>
void go_round(std::vector<std::unique_ptr<ConcreteWork>>& works, const RingOptions& options,
              const LinkDecorator<T>& decorate) {
  const int threads = options.threads == 0 ? options.devices : std::min(options.threads, options.devices);
  WaitingRoom room(options.devices, threads);
  Slots<T> slots(options.devices, options.exchange, room);
  const std::unique_ptr<Link<T>> decorated = decorate ? decorate(slots, room) : nullptr;
  Link<T>& link = decorated ? *decorated : slots;

  Recorders silent(static_cast<std::size_t>(options.devices));
  Recorders& facts = options.facts ? *options.facts : silent;
  drive(options.devices, threads, room, [&](int first, int last) {
    std::vector<Device<T>> mine;
    for (int d = first; d < last; ++d)
      mine.emplace_back(d, options.devices, *works[static_cast<std::size_t>(d)], link,
                        facts[static_cast<std::size_t>(d)]);
    run_ring(std::span<Device<T>>(mine), options.devices, options.overlap);
  });
}

template <class T, class ConcreteWork>
Attended<T> forward(const Problem<T>& problem, const RingOptions& options, const LinkDecorator<T>& decorate,
                    const Absorb<T>& absorb) {
  Agreement agreement = agree(problem, options);
  std::vector<std::unique_ptr<ConcreteWork>> works;
  for (int d = 0; d < options.devices; ++d) {
    QueryShard<T> queries(problem, options.layout, d, options.devices);
    KvShard<T> kv(problem, options.layout, d, options.devices);
    const Index out_bytes =
        queries.Q->size() / problem.Q.shape.D * (problem.V.shape.D + 2) * Index{sizeof(T)};
    agreement.slot_bytes =
        std::max(agreement.slot_bytes, options.rotate == Rotation::kv ? kv.bytes() : queries.bytes());
    agreement.result_bytes = std::max(agreement.result_bytes, out_bytes);
    works.push_back(std::make_unique<ConcreteWork>(d, std::move(queries), std::move(kv), agreement, absorb));
  }
  go_round<T>(works, options, decorate);

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
                      const RingOptions& options, const LinkDecorator<T>& decorate) {
  Agreement agreement = agree(problem, options);
  const Tensor<T> shifts = query_shift<T>(cotangents, forward.out, forward.lse);
  std::vector<std::unique_ptr<ConcreteWork>> works;
  for (int d = 0; d < options.devices; ++d) {
    QueryShard<T> queries(problem, options.layout, d, options.devices);
    KvShard<T> kv(problem, options.layout, d, options.devices);
    CotangentShard<T> rows(forward, cotangents, shifts, queries.rows);
    const bool kv_rotates = options.rotate == Rotation::kv;
    agreement.slot_bytes =
        std::max(agreement.slot_bytes, kv_rotates ? kv.bytes() : queries.bytes() + rows.bytes());
    agreement.result_bytes =
        std::max(agreement.result_bytes, kv_rotates ? kv.K->bytes() + kv.V->bytes() : queries.Q->bytes());
    works.push_back(
        std::make_unique<ConcreteWork>(d, std::move(queries), std::move(kv), std::move(rows), agreement));
  }
  go_round<T>(works, options, decorate);

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
Attended<T> ring_attention(const Problem<T>& problem, const RingOptions& options,
                           const LinkDecorator<T>& decorate, const Absorb<T>& absorb) {
  check(problem, options);
  require(!absorb || options.rotate == Rotation::kv,
          "[ring_attention] what a device does with a block can be replaced where K and V rotate; found Q "
          "rotating; rotate K and V");
  return options.rotate == Rotation::kv ? forward<T, ForwardKv<T>>(problem, options, decorate, absorb)
                                        : forward<T, ForwardQ<T>>(problem, options, decorate, absorb);
}

template <class T>
Gradients<T> ring_attention_vjp(const Problem<T>& problem, const Attended<T>& forward,
                                const Cotangents<T>& cotangents, const RingOptions& options,
                                const LinkDecorator<T>& decorate) {
  check(problem, options);
  ringattn::check(problem, cotangents);
  return options.rotate == Rotation::kv
             ? backward<T, BackwardKv<T>>(problem, forward, cotangents, options, decorate)
             : backward<T, BackwardQ<T>>(problem, forward, cotangents, options, decorate);
}

template Attended<float> ring_attention(const Problem<float>&, const RingOptions&,
                                        const LinkDecorator<float>&, const Absorb<float>&);
template Attended<double> ring_attention(const Problem<double>&, const RingOptions&,
                                         const LinkDecorator<double>&, const Absorb<double>&);
template Gradients<float> ring_attention_vjp(const Problem<float>&, const Attended<float>&,
                                             const Cotangents<float>&, const RingOptions&,
                                             const LinkDecorator<float>&);
template Gradients<double> ring_attention_vjp(const Problem<double>&, const Attended<double>&,
                                              const Cotangents<double>&, const RingOptions&,
                                              const LinkDecorator<double>&);

}  // namespace ringattn
