#include "reference/ring/programs/forward_kv.h"

#include "reference/blockwise/block_forward.h"

namespace ringattn {

template <class T>
ForwardKv<T>::ForwardKv(const RingConfig& config, QueryShard<T> queries, KvShard<T> kv)
    : ForwardProgram<T>(
          describe_forward_kv(config, ElementBytes::of<T>(), queries.Q->shape().S, kv.K->shape().S)),
      config_(config),
      queries_(std::move(queries)),
      kv_(std::move(kv)),
      state_(config.out_of(queries_.Q->shape().S), config.scoring.sinks) {}

template <class T>
Block<T> ForwardKv<T>::own_block() {
  // K and V move into the block: the pass holds no second copy of them
  return {kv_.device, kv_.positions, {std::move(kv_.K), std::move(kv_.V)}};
}

template <class T>
BlockPair<T> ForwardKv<T>::pair_with(const Block<T>& resident) const {
  const Tensor<T>&K = resident[0], &V = resident[1];
  return {*queries_.Q, K, V, *queries_.positions, *resident.positions, config_.scoring};
}

template <class T>
Block<T> ForwardKv<T>::attend(int /*step*/, const Block<T>& resident) {
  // Absorb the block into the state of each head; ringattn::attend does so tile by tile
  const BlockPair<T> pair = pair_with(resident);
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) ringattn::attend(pair, b, h, state_, scratch_);
  return {};
}

template class ForwardKv<float>;
template class ForwardKv<double>;

}  // namespace ringattn
