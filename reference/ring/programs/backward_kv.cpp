#include "reference/ring/programs/backward_kv.h"

namespace ringattn {

template <class T>
BackwardKv<T>::BackwardKv(const RingConfig& config, QueryShard<T> queries, KvShard<T> kv,
                          CotangentShard<T> cotangents)
    : BackwardProgram<T>(
          describe_backward_kv(config, ElementBytes::of<T>(), queries.Q->shape().S, kv.K->shape().S)),
      config_(config),
      queries_(std::move(queries)),
      kv_(std::move(kv)),
      cotangents_(std::move(cotangents)) {
  gradients_.dq = zeros_like(*queries_.Q);
}

template <class T>
Block<T> BackwardKv<T>::own_block() {
  return {kv_.device, kv_.positions, {kv_.K, kv_.V}};
}

template <class T>
BlockPair<T> BackwardKv<T>::pair_with(const Block<T>& resident) const {
  const Tensor<T>&K = resident[0], &V = resident[1];
  return {*queries_.Q, K, V, *queries_.positions, *resident.positions, config_.scoring};
}

template <class T>
Block<T> BackwardKv<T>::attend(int /*step*/, const Block<T>& resident) {
  // Start dK and dV of the resident block from 0; dQ continues its sum
  const BlockPair<T> pair = pair_with(resident);
  const QueryCotangents<T> rows{*cotangents_.dO, *cotangents_.lse, *cotangents_.row_term};
  gradients_.dk = zeros_like(pair.K);
  gradients_.dv = zeros_like(pair.V);
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) attend_backward(pair, rows, b, h, gradients_, scratch_);
  return {resident.owner, nullptr, {shared(std::move(gradients_.dk)), shared(std::move(gradients_.dv))}};
}

template <class T>
void BackwardKv<T>::accept_results(Block<T> results) {
  // The buffers of contributions now hold the gradients of the own keys and values
  gradients_.dk = std::move(*results.tensors[0]);
  gradients_.dv = std::move(*results.tensors[1]);
}

template class BackwardKv<float>;
template class BackwardKv<double>;

}  // namespace ringattn
