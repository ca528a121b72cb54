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
                      const RingConfig& config)
    : device_(device),
      queries_(std::move(queries)),
      kv_(std::move(kv)),
      cotangents_(std::move(cotangents)),
      config_(config) {}

template <class T>
void Backward<T>::attend_all(int step, int owner, const BlockPair<T>& pair, const QueryCotangents<T>& rows,
                             Recorder& recorder) {
  facts.begin_compute(step, owner, name_of(pair.mask_class()), pair.live_pairs());
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) attend_backward(pair, rows, b, h, gradients_, scratch_);
  facts.end_compute();
}

template <class T>
void Backward<T>::accumulate(int step, Block<T>& result, Block<T> arrived, Recorder& recorder) {
  // Sums are taken in the order of the steps: what arrived comes first
  for (std::size_t i = 0; i < result.tensors.size(); ++i) {
    T* sum = result.tensors[i]->data();
    const T* before = arrived.tensors[i]->data();
    for (Index n = 0; n < result.tensors[i]->size(); ++n) sum[n] = before[n] + sum[n];
  }
  facts.record_merge(EventKind::grad_hop, step, result.owner);
}

// ---- K and V rotate ----------------------------------------------------------

template <class T>
BackwardKv<T>::BackwardKv(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
                          const RingConfig& config)
    : Backward<T>(device, std::move(queries), std::move(kv), std::move(cotangents), config) {
  this->gradients_.dq = zeros_like(*this->queries_.Q);
}

template <class T>
Block<T> BackwardKv<T>::own_block() {
  return {this->device_, this->kv_.positions, {this->kv_.K, this->kv_.V}};
}

template <class T>
Block<T> BackwardKv<T>::attend(int step, const Block<T>& resident, Recorder& recorder) {
  const auto& [rows, positions, Q] = this->queries_;
  const auto& [dO, lse, row_term] = this->cotangents_;
  Gradients<T>& gradients = this->gradients_;
  gradients.dk = zeros_like(resident[0]);
  gradients.dv = zeros_like(resident[1]);
  this->attend_all(step, resident.owner,
                   {*Q, resident[0], resident[1], *positions, *resident.positions, this->config_.scoring},
                   {*dO, *lse, *row_term}, recorder);
  return {resident.owner, nullptr, {shared(std::move(gradients.dk)), shared(std::move(gradients.dv))}};
}

template <class T>
void BackwardKv<T>::accept_results(Block<T> result) {
  this->gradients_.dk = std::move(*result.tensors[0]);
  this->gradients_.dv = std::move(*result.tensors[1]);
}

template <class T>
Allocations BackwardKv<T>::allocations() const {
  const auto& [rows, positions, Q] = this->queries_;
  const auto& [dO, lse, row_term] = this->cotangents_;
  Allocations allocations{
      {"K", this->kv_.K->bytes()}, {"V", this->kv_.V->bytes()},
      {"Q", Q->bytes()},           {"dO", dO->bytes()},
      {"dQ", Q->bytes()},          {"lse", lse->bytes()},
      {"delta", row_term->bytes()},   {"P dS tiles", tile_bytes<T>(Q->shape().S, this->config_.kv_rows, 2)}};
  add_buffers(allocations, this->config_, *this);
  return allocations;
}

// ---- Q rotates ---------------------------------------------------------------

template <class T>
BackwardQ<T>::BackwardQ(int device, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents,
                        const RingConfig& config)
    : Backward<T>(device, std::move(queries), std::move(kv), std::move(cotangents), config) {
  this->gradients_.dk = zeros_like(*this->kv_.K);
  this->gradients_.dv = zeros_like(*this->kv_.V);
}

template <class T>
Block<T> BackwardQ<T>::own_block() {
  const auto& [dO, lse, row_term] = this->cotangents_;
  return {this->device_, this->queries_.positions, {this->queries_.Q, dO, lse, row_term}};
}

template <class T>
Block<T> BackwardQ<T>::attend(int step, const Block<T>& resident, Recorder& recorder) {
  const auto& [rows, positions, K, V] = this->kv_;
  Tensor<T>& dq = this->gradients_.dq;
  dq = zeros_like(resident[0]);
  this->attend_all(step, resident.owner,
                   {resident[0], *K, *V, *resident.positions, *positions, this->config_.scoring},
                   {resident[1], resident[2], resident[3]}, recorder);
  return {resident.owner, nullptr, {shared(std::move(dq))}};
}

template <class T>
void BackwardQ<T>::accept_results(Block<T> result) {
  this->gradients_.dq = std::move(*result.tensors[0]);
}

template <class T>
Allocations BackwardQ<T>::allocations() const {
  const Index K = this->kv_.K->bytes(), V = this->kv_.V->bytes(), keys = this->kv_.K->shape().S;
  const Index home = this->queries_.Q->bytes() + this->cotangents_.bytes();
  Allocations allocations{{"K", K},
                    {"V", V},
                    {"dK", K},
                    {"dV", V},
                    {"Q dO lse delta", home},
                    {"P dS tiles", tile_bytes<T>(this->config_.q_rows, keys, 2)}};
  add_buffers(allocations, this->config_, *this);
  return allocations;
}

template class Backward<float>;
template class Backward<double>;
template class BackwardKv<float>;
template class BackwardKv<double>;
template class BackwardQ<float>;
template class BackwardQ<double>;

}  // namespace ringattn
