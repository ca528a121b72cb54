#include "reference/ring/forward.h"

#include "reference/blockwise/block_forward.h"

namespace ringattn {

namespace {

// All heads of a block of queries attend to a block of keys
template <class T>
void attend_all(const BlockPair<T>& pair, SoftmaxState<T>& state, ScoreTile<T>& scratch) {
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) attend(pair, b, h, state, scratch);
}

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

// ---- K and V rotate ----------------------------------------------------------

template <class T>
ForwardKv<T>::ForwardKv(int device, QueryShard<T> queries, KvShard<T> kv, const Agreement& agreement)
    : device_(device),
      queries_(std::move(queries)),
      kv_(std::move(kv)),
      agreement_(agreement),
      state_(agreement.out_of(queries_.Q->shape().S)),
      watch_(agreement.watched, queries_.rows) {}

template <class T>
Block<T> ForwardKv<T>::home() {
  return {device_, kv_.tokens, {std::move(kv_.K), std::move(kv_.V)}};
}

template <class T>
Block<T> ForwardKv<T>::attend(int step, const Block<T>& visitor, Recorder& facts) {
  const BlockPair<T> pair{*queries_.Q,      visitor[0],      visitor[1],
                          *queries_.tokens, *visitor.tokens, agreement_.scoring};
  facts.compute_begins(step, visitor.owner, name_of(pair.mask_class()), pair.live_pairs());
  watch_.before(state_);
  attend_all(pair, state_, scratch_);
  facts.compute_ends();
  watch_.after(state_, step, visitor.owner, facts);
  return {};
}

template <class T>
Holdings ForwardKv<T>::holdings() const {
  const Index rows = queries_.Q->shape().S, keys = agreement_.kv_rows;
  Holdings holdings{
      {"Q", queries_.Q->bytes()}, {"m l O", state_.bytes()}, {"S tile", tile_bytes<T>(rows, keys, 1)}};
  add_slots(holdings, agreement_, *this);
  return holdings;
}

// ---- Q rotates ---------------------------------------------------------------

template <class T>
ForwardQ<T>::ForwardQ(int device, QueryShard<T> queries, KvShard<T> kv, const Agreement& agreement)
    : device_(device), queries_(std::move(queries)), kv_(std::move(kv)), agreement_(agreement) {}

template <class T>
Block<T> ForwardQ<T>::home() {
  return {device_, queries_.tokens, {std::move(queries_.Q)}};
}

template <class T>
RowWatch<T> ForwardQ<T>::watch(int owner) const {
  if (agreement_.watched.none()) return {};
  return {agreement_.watched, rows_of_device(agreement_.layout, owner, agreement_.devices, agreement_.q.S)};
}

template <class T>
Block<T> ForwardQ<T>::attend(int step, const Block<T>& visitor, Recorder& facts) {
  const BlockPair<T> pair{visitor[0], *kv_.K, *kv_.V, *visitor.tokens, *kv_.tokens, agreement_.scoring};
  SoftmaxState<T> state(agreement_.out_of(visitor[0].shape().S));
  // What a row reads later is shown when it is merged with what came before
  RowWatch<T> watch = step == 0 ? this->watch(visitor.owner) : RowWatch<T>();
  facts.compute_begins(step, visitor.owner, name_of(pair.mask_class()), pair.live_pairs());
  watch.before(state);
  attend_all(pair, state, scratch_);
  facts.compute_ends();
  watch.after(state, step, device_, facts);
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
  watch.after(state, step, device_, facts);
  result = to_block(owner, std::move(state));
}

template <class T>
void ForwardQ<T>::take_home(Block<T> result) {
  state_ = to_state(std::move(result));
}

template <class T>
Holdings ForwardQ<T>::holdings() const {
  const Index rows = agreement_.q_rows, keys = kv_.K->shape().S;
  Holdings holdings{{"K", kv_.K->bytes()}, {"V", kv_.V->bytes()}, {"S tile", tile_bytes<T>(rows, keys, 1)}};
  add_slots(holdings, agreement_, *this);
  return holdings;
}

template class ForwardKv<float>;
template class ForwardKv<double>;
template class ForwardQ<float>;
template class ForwardQ<double>;

}  // namespace ringattn
