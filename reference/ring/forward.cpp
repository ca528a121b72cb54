#include "reference/ring/forward.h"

#include "reference/blockwise/block_forward.h"

namespace ringattn {

namespace {

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

// ---- Both --------------------------------------------------------------------

template <class T>
Forward<T>::Forward(int device, QueryShard<T> queries, KvShard<T> kv, const Agreement& agreement,
                    const Absorb<T>& absorb)
    : device_(device),
      queries_(std::move(queries)),
      kv_(std::move(kv)),
      agreement_(agreement),
      absorb_(absorb) {}

template <class T>
void Forward<T>::absorb(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  if (absorb_) return absorb_(pair, state);
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) ringattn::attend(pair, b, h, state, scratch_);
}

template <class T>
void Forward<T>::attend_all(int step, int owner, const BlockPair<T>& pair, SoftmaxState<T>& state,
                            RowWatch<T>& watch, Recorder& facts) {
  facts.compute_begins(step, owner, name_of(pair.mask_class()), pair.live_pairs());
  watch.before(state, pair);
  absorb(pair, state);
  facts.compute_ends();
}

// ---- K and V rotate ----------------------------------------------------------

template <class T>
ForwardKv<T>::ForwardKv(int device, QueryShard<T> queries, KvShard<T> kv, const Agreement& agreement,
                        const Absorb<T>& absorb)
    : Forward<T>(device, std::move(queries), std::move(kv), agreement, absorb),
      watch_(agreement.watched, this->rows()) {
  this->state_ = SoftmaxState<T>(agreement.out_of(this->queries_.Q->shape().S));
}

template <class T>
Block<T> ForwardKv<T>::home() {
  return {this->device_, this->kv_.tokens, {std::move(this->kv_.K), std::move(this->kv_.V)}};
}

template <class T>
Block<T> ForwardKv<T>::attend(int step, const Block<T>& visitor, Recorder& facts) {
  const auto& [rows, tokens, Q] = this->queries_;
  const BlockPair<T> pair{*Q, visitor[0], visitor[1], *tokens, *visitor.tokens, this->agreement_.scoring};
  this->attend_all(step, visitor.owner, pair, this->state_, watch_, facts);
  watch_.after(this->state_, step, visitor.owner, facts);
  return {};
}

template <class T>
Holdings ForwardKv<T>::holdings() const {
  const Tensor<T>& Q = *this->queries_.Q;
  Holdings holdings{{"Q", Q.bytes()},
                    {"m l O", this->state_.bytes()},
                    {"S tile", tile_bytes<T>(Q.shape().S, this->agreement_.kv_rows, 1)}};
  add_slots(holdings, this->agreement_, *this);
  return holdings;
}

// ---- Q rotates ---------------------------------------------------------------

template <class T>
Block<T> ForwardQ<T>::home() {
  return {this->device_, this->queries_.tokens, {std::move(this->queries_.Q)}};
}

template <class T>
RowWatch<T> ForwardQ<T>::watch(int owner) const {
  const Agreement& all = this->agreement_;
  if (all.watched.none()) return {};
  return {all.watched, rows_of_device(all.layout, owner, all.devices, all.q.S)};
}

template <class T>
Block<T> ForwardQ<T>::attend(int step, const Block<T>& visitor, Recorder& facts) {
  const auto& [rows, tokens, K, V] = this->kv_;
  const BlockPair<T> pair{visitor[0], *K, *V, *visitor.tokens, *tokens, this->agreement_.scoring};
  SoftmaxState<T> state(this->agreement_.out_of(visitor[0].shape().S));
  // What a row reads later is shown when it is merged with what came before
  RowWatch<T> watch = step == 0 ? this->watch(visitor.owner) : RowWatch<T>();
  this->attend_all(step, visitor.owner, pair, state, watch, facts);
  watch.after(state, step, this->device_, facts);
  return to_block(visitor.owner, std::move(state));
}

template <class T>
void ForwardQ<T>::join(int step, Block<T>& result, Block<T> arrived, Recorder& facts) {
  const int owner = result.owner;
  SoftmaxState<T> state = to_state(std::move(arrived));
  RowWatch<T> watch = this->watch(owner);
  watch.before(state);
  state.merge(to_state(std::move(result)));
  facts.joined(EventKind::merge, step, owner);
  watch.after(state, step, this->device_, facts);
  result = to_block(owner, std::move(state));
}

template <class T>
void ForwardQ<T>::take_home(Block<T> result) {
  this->state_ = to_state(std::move(result));
}

template <class T>
Holdings ForwardQ<T>::holdings() const {
  const auto& [rows, tokens, K, V] = this->kv_;
  Holdings holdings{{"K", K->bytes()},
                    {"V", V->bytes()},
                    {"S tile", tile_bytes<T>(this->agreement_.q_rows, K->shape().S, 1)}};
  add_slots(holdings, this->agreement_, *this);
  return holdings;
}

template class Forward<float>;
template class Forward<double>;
template class ForwardKv<float>;
template class ForwardKv<double>;
template class ForwardQ<float>;
template class ForwardQ<double>;

}  // namespace ringattn
