#include "reference/ring/programs/backward_q.h"

namespace ringattn {

template <class T>
BackwardQ<T>::BackwardQ(const RingConfig& config, QueryShard<T> queries, KvShard<T> kv,
                        CotangentShard<T> cotangents)
    : BackwardProgram<T>(
          describe_backward_q(config, ElementBytes::of<T>(), queries.Q->shape().S, kv.K->shape().S)),
      config_(config),
      queries_(std::move(queries)),
      kv_(std::move(kv)),
      cotangents_(std::move(cotangents)) {
  gradients_.dk = zeros_like(*kv_.K);
  gradients_.dv = zeros_like(*kv_.V);
}

template <class T>
Block<T> BackwardQ<T>::own_block() {
  return {queries_.device,
          queries_.positions,
          {queries_.Q, cotangents_.dO, cotangents_.lse, cotangents_.row_term}};
}

template <class T>
BlockPair<T> BackwardQ<T>::pair_with(const Block<T>& resident) const {
  const Tensor<T>& Q = resident[0];
  return {Q, *kv_.K, *kv_.V, *resident.positions, *kv_.positions, config_.scoring};
}

template <class T>
Block<T> BackwardQ<T>::attend(int /*step*/, const Block<T>& resident) {
  // Start dQ of the resident block from 0; dK and dV continue their sums
  const BlockPair<T> pair = pair_with(resident);
  const QueryCotangents<T> rows{resident[1], resident[2], resident[3]};  // dO, lse, row_term
  gradients_.dq = zeros_like(pair.Q);
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) attend_backward(pair, rows, b, h, gradients_, scratch_);
  return {resident.owner, nullptr, {shared(std::move(gradients_.dq))}};
}

template <class T>
void BackwardQ<T>::accept_results(Block<T> results) {
  gradients_.dq = std::move(*results.tensors[0]);
}

template class BackwardQ<float>;
template class BackwardQ<double>;

}  // namespace ringattn
