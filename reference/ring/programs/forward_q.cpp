#include "reference/ring/programs/forward_q.h"

#include "reference/blockwise/block_forward.h"

namespace ringattn {

namespace {

// A state travels as a block of three tensors: m, l, O
template <class T>
Block<T> to_block(int owner, SoftmaxState<T> state) {
  return {
      owner, nullptr, {shared(std::move(state.m)), shared(std::move(state.l)), shared(std::move(state.O))}};
}

template <class T>
SoftmaxState<T> to_state(Block<T> block) {
  SoftmaxState<T> state;
  state.m = std::move(*block.tensors[0]);
  state.l = std::move(*block.tensors[1]);
  state.O = std::move(*block.tensors[2]);
  return state;
}

}  // namespace

template <class T>
ForwardQ<T>::ForwardQ(const RingConfig& config, QueryShard<T> queries, KvShard<T> kv)
    : ForwardProgram<T>(
          describe_forward_q(config, ElementBytes::of<T>(), queries.Q->shape().S, kv.K->shape().S)),
      config_(config),
      queries_(std::move(queries)),
      kv_(std::move(kv)) {}

template <class T>
Block<T> ForwardQ<T>::own_block() {
  return {queries_.device, queries_.positions, {std::move(queries_.Q)}};
}

template <class T>
BlockPair<T> ForwardQ<T>::pair_with(const Block<T>& resident) const {
  const Tensor<T>& Q = resident[0];
  return {Q, *kv_.K, *kv_.V, *resident.positions, *kv_.positions, config_.scoring};
}

template <class T>
Block<T> ForwardQ<T>::attend(int step, const Block<T>& resident) {
  // Start from the neutral state: the contributions of earlier devices are merged in accumulate. The owner, at step 0,
  // starts from the sinks, so that they count once
  const BlockPair<T> pair = pair_with(resident);
  SoftmaxState<T> state(config_.out_of(pair.Q.shape().S),
                        step == 0 ? config_.scoring.sinks : std::vector<double>());
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) ringattn::attend(pair, b, h, state, scratch_);
  return to_block(resident.owner, std::move(state));
}

template <class T>
void ForwardQ<T>::accumulate(int /*step*/, Block<T>& result, Block<T> arrived) {
  // Merge in the order of the steps, so that every bit is fixed: the arrived state comes first
  const int owner = result.owner;
  SoftmaxState<T> state = to_state(std::move(arrived));
  state.merge(to_state(std::move(result)));
  result = to_block(owner, std::move(state));
}

template <class T>
void ForwardQ<T>::accept_results(Block<T> results) {
  state_ = to_state(std::move(results));
}

template class ForwardQ<float>;
template class ForwardQ<double>;

}  // namespace ringattn
