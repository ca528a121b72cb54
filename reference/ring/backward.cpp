#include "reference/ring/backward.h"

namespace ringattn {

namespace {

// All heads of a block of queries against a block of keys
template <class T>
void attend_backward_all(const BlockPair<T>& pair, const QueryCotangents<T>& rows, Gradients<T>& gradients,
                         BackwardScratch<T>& scratch) {
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) attend_backward(pair, rows, b, h, gradients, scratch);
}

// Sums are taken in the order of the steps: what arrived comes first
template <class T>
void add_arrived(Block<T>& result, const Block<T>& arrived) {
  for (std::size_t i = 0; i < result.tensors.size(); ++i) {
    T* sum = result.tensors[i]->data();
    const T* before = arrived.tensors[i]->data();
    for (Index n = 0; n < result.tensors[i]->size(); ++n) sum[n] = before[n] + sum[n];
  }
}

template <class T>
Tensor<T> zeros_like(const Tensor<T>& tensor) {
  return Tensor<T>(tensor.shape(), Axes::bhsd);
}

}  // namespace

// ---- K and V rotate ----------------------------------------------------------

template <class T>
BackwardKv<T>::BackwardKv(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
                          const Agreement& agreement)
    : device_(device),
      queries_(std::move(queries)),
      kv_(std::move(kv)),
      cotangents_(std::move(cotangents)),
      agreement_(agreement) {
  gradients_.dq = zeros_like(*queries_.Q);
}

template <class T>
Block<T> BackwardKv<T>::home() {
  return {device_, kv_.tokens, {kv_.K, kv_.V}};
}

template <class T>
Block<T> BackwardKv<T>::attend(int step, const Block<T>& visitor, Recorder& facts) {
  const BlockPair<T> pair{*queries_.Q,      visitor[0],      visitor[1],
                          *queries_.tokens, *visitor.tokens, agreement_.scoring};
  gradients_.dk = zeros_like(visitor[0]);
  gradients_.dv = zeros_like(visitor[1]);
  facts.compute_begins(step, visitor.owner, name_of(pair.mask_class()), pair.live_pairs());
  attend_backward_all(pair, {*cotangents_.dO, *cotangents_.lse, *cotangents_.shift}, gradients_, scratch_);
  facts.compute_ends();
  return {visitor.owner, nullptr, {shared(std::move(gradients_.dk)), shared(std::move(gradients_.dv))}};
}

template <class T>
void BackwardKv<T>::join(int step, Block<T>& result, Block<T> arrived, Recorder& facts) {
  add_arrived(result, arrived);
  facts.joined(EventKind::grad_hop, step, result.owner);
}

template <class T>
void BackwardKv<T>::take_home(Block<T> result) {
  gradients_.dk = std::move(*result.tensors[0]);
  gradients_.dv = std::move(*result.tensors[1]);
}

template <class T>
Holdings BackwardKv<T>::holdings() const {
  const Index rows = queries_.Q->shape().S, keys = agreement_.kv_rows;
  Holdings holdings{{"K", kv_.K->bytes()},
                    {"V", kv_.V->bytes()},
                    {"Q", queries_.Q->bytes()},
                    {"dO", cotangents_.dO->bytes()},
                    {"dQ", queries_.Q->bytes()},
                    {"lse", cotangents_.lse->bytes()},
                    {"delta", cotangents_.shift->bytes()},
                    {"P dS tiles", tile_bytes<T>(rows, keys, 2)}};
  add_slots(holdings, agreement_, *this);
  return holdings;
}

// ---- Q rotates ---------------------------------------------------------------

template <class T>
BackwardQ<T>::BackwardQ(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
                        const Agreement& agreement)
    : device_(device),
      queries_(std::move(queries)),
      kv_(std::move(kv)),
      cotangents_(std::move(cotangents)),
      agreement_(agreement) {
  gradients_.dk = zeros_like(*kv_.K);
  gradients_.dv = zeros_like(*kv_.V);
}

template <class T>
Block<T> BackwardQ<T>::home() {
  return {device_, queries_.tokens, {queries_.Q, cotangents_.dO, cotangents_.lse, cotangents_.shift}};
}

template <class T>
Block<T> BackwardQ<T>::attend(int step, const Block<T>& visitor, Recorder& facts) {
  const BlockPair<T> pair{visitor[0], *kv_.K, *kv_.V, *visitor.tokens, *kv_.tokens, agreement_.scoring};
  gradients_.dq = zeros_like(visitor[0]);
  facts.compute_begins(step, visitor.owner, name_of(pair.mask_class()), pair.live_pairs());
  attend_backward_all(pair, {visitor[1], visitor[2], visitor[3]}, gradients_, scratch_);
  facts.compute_ends();
  return {visitor.owner, nullptr, {shared(std::move(gradients_.dq))}};
}

template <class T>
void BackwardQ<T>::join(int step, Block<T>& result, Block<T> arrived, Recorder& facts) {
  add_arrived(result, arrived);
  facts.joined(EventKind::grad_hop, step, result.owner);
}

template <class T>
void BackwardQ<T>::take_home(Block<T> result) {
  gradients_.dq = std::move(*result.tensors[0]);
}

template <class T>
Holdings BackwardQ<T>::holdings() const {
  const Index rows = agreement_.q_rows, keys = kv_.K->shape().S;
  const Index home =
      queries_.Q->bytes() + cotangents_.dO->bytes() + cotangents_.lse->bytes() + cotangents_.shift->bytes();
  Holdings holdings{{"K", kv_.K->bytes()},    {"V", kv_.V->bytes()},
                    {"dK", kv_.K->bytes()},   {"dV", kv_.V->bytes()},
                    {"Q dO lse delta", home}, {"P dS tiles", tile_bytes<T>(rows, keys, 2)}};
  add_slots(holdings, agreement_, *this);
  return holdings;
}

template class BackwardKv<float>;
template class BackwardKv<double>;
template class BackwardQ<float>;
template class BackwardQ<double>;

}  // namespace ringattn
