#include "reference/ring/backward.h"

namespace ringattn {

namespace {

template <class T>
Tensor<T> zeros_like(const Tensor<T>& tensor) {
  return Tensor<T>(tensor.shape(), Axes::bhsd);
}

}  // namespace

// ---- Both --------------------------------------------------------------------

template <class T>
Backward<T>::Backward(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
                      const Agreement& agreement)
    : device_(device),
      queries_(std::move(queries)),
      kv_(std::move(kv)),
      cotangents_(std::move(cotangents)),
      agreement_(agreement) {}

template <class T>
void Backward<T>::attend_all(int step, int owner, const BlockPair<T>& pair, const QueryCotangents<T>& rows,
                             Recorder& facts) {
  facts.compute_begins(step, owner, name_of(pair.mask_class()), pair.live_pairs());
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) attend_backward(pair, rows, b, h, gradients_, scratch_);
  facts.compute_ends();
}

template <class T>
void Backward<T>::join(int step, Block<T>& result, Block<T> arrived, Recorder& facts) {
  // Sums are taken in the order of the steps: what arrived comes first
  for (std::size_t i = 0; i < result.tensors.size(); ++i) {
    T* sum = result.tensors[i]->data();
    const T* before = arrived.tensors[i]->data();
    for (Index n = 0; n < result.tensors[i]->size(); ++n) sum[n] = before[n] + sum[n];
  }
  facts.joined(EventKind::grad_hop, step, result.owner);
}

// ---- K and V rotate ----------------------------------------------------------

template <class T>
BackwardKv<T>::BackwardKv(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
                          const Agreement& agreement)
    : Backward<T>(device, std::move(queries), std::move(kv), std::move(cotangents), agreement) {
  this->gradients_.dq = zeros_like(*this->queries_.Q);
}

template <class T>
Block<T> BackwardKv<T>::home() {
  return {this->device_, this->kv_.tokens, {this->kv_.K, this->kv_.V}};
}

template <class T>
Block<T> BackwardKv<T>::attend(int step, const Block<T>& visitor, Recorder& facts) {
  const auto& [rows, tokens, Q] = this->queries_;
  const auto& [dO, lse, shift] = this->cotangents_;
  Gradients<T>& gradients = this->gradients_;
  gradients.dk = zeros_like(visitor[0]);
  gradients.dv = zeros_like(visitor[1]);
  this->attend_all(step, visitor.owner,
                   {*Q, visitor[0], visitor[1], *tokens, *visitor.tokens, this->agreement_.scoring},
                   {*dO, *lse, *shift}, facts);
  return {visitor.owner, nullptr, {shared(std::move(gradients.dk)), shared(std::move(gradients.dv))}};
}

template <class T>
void BackwardKv<T>::take_home(Block<T> result) {
  this->gradients_.dk = std::move(*result.tensors[0]);
  this->gradients_.dv = std::move(*result.tensors[1]);
}

template <class T>
Holdings BackwardKv<T>::holdings() const {
  const auto& [rows, tokens, Q] = this->queries_;
  const auto& [dO, lse, shift] = this->cotangents_;
  Holdings holdings{
      {"K", this->kv_.K->bytes()}, {"V", this->kv_.V->bytes()},
      {"Q", Q->bytes()},           {"dO", dO->bytes()},
      {"dQ", Q->bytes()},          {"lse", lse->bytes()},
      {"delta", shift->bytes()},   {"P dS tiles", tile_bytes<T>(Q->shape().S, this->agreement_.kv_rows, 2)}};
  add_slots(holdings, this->agreement_, *this);
  return holdings;
}

// ---- Q rotates ---------------------------------------------------------------

template <class T>
BackwardQ<T>::BackwardQ(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
                        const Agreement& agreement)
    : Backward<T>(device, std::move(queries), std::move(kv), std::move(cotangents), agreement) {
  this->gradients_.dk = zeros_like(*this->kv_.K);
  this->gradients_.dv = zeros_like(*this->kv_.V);
}

template <class T>
Block<T> BackwardQ<T>::home() {
  const auto& [dO, lse, shift] = this->cotangents_;
  return {this->device_, this->queries_.tokens, {this->queries_.Q, dO, lse, shift}};
}

template <class T>
Block<T> BackwardQ<T>::attend(int step, const Block<T>& visitor, Recorder& facts) {
  const auto& [rows, tokens, K, V] = this->kv_;
  Tensor<T>& dq = this->gradients_.dq;
  dq = zeros_like(visitor[0]);
  this->attend_all(step, visitor.owner,
                   {visitor[0], *K, *V, *visitor.tokens, *tokens, this->agreement_.scoring},
                   {visitor[1], visitor[2], visitor[3]}, facts);
  return {visitor.owner, nullptr, {shared(std::move(dq))}};
}

template <class T>
void BackwardQ<T>::take_home(Block<T> result) {
  this->gradients_.dq = std::move(*result.tensors[0]);
}

template <class T>
Holdings BackwardQ<T>::holdings() const {
  const Index K = this->kv_.K->bytes(), V = this->kv_.V->bytes(), keys = this->kv_.K->shape().S;
  const Index home = this->queries_.Q->bytes() + this->cotangents_.bytes();
  Holdings holdings{{"K", K},
                    {"V", V},
                    {"dK", K},
                    {"dV", V},
                    {"Q dO lse delta", home},
                    {"P dS tiles", tile_bytes<T>(this->agreement_.q_rows, keys, 2)}};
  add_slots(holdings, this->agreement_, *this);
  return holdings;
}

template class Backward<float>;
template class Backward<double>;
template class BackwardKv<float>;
template class BackwardKv<double>;
template class BackwardQ<float>;
template class BackwardQ<double>;

}  // namespace ringattn
