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
Forward<T>::Forward(int device, QueryShard<T> queries, KvShard<T> kv, const RingConfig& config,
                    const Absorb<T>& absorb)
    : device_(device),
      queries_(std::move(queries)),
      kv_(std::move(kv)),
      config_(config),
      absorb_(absorb) {}

template <class T>
void Forward<T>::absorb(const BlockPair<T>& pair, SoftmaxState<T>& state) {
  if (absorb_) return absorb_(pair, state);
  for (Index b = 0; b < pair.Q.shape().B; ++b)
    for (Index h = 0; h < pair.Q.shape().H; ++h) ringattn::attend(pair, b, h, state, scratch_);
}

template <class T>
void Forward<T>::attend_all(int step, int owner, const BlockPair<T>& pair, SoftmaxState<T>& state,
                            RowRecorder<T>& watch, Recorder& recorder) {
  facts.begin_compute(step, owner, name_of(pair.mask_class()), pair.live_pairs());
  watch.before(state, pair);
  absorb(pair, state);
  facts.end_compute();
}

// ---- K and V rotate ----------------------------------------------------------

template <class T>
ForwardKv<T>::ForwardKv(int device, QueryShard<T> queries, KvShard<T> kv, const RingConfig& config,
                        const Absorb<T>& absorb)
    : Forward<T>(device, std::move(queries), std::move(kv), config, absorb),
      watch_(config.traced_rows, this->rows()) {
  this->state_ = SoftmaxState<T>(config.out_of(this->queries_.Q->shape().S));
}

template <class T>
Block<T> ForwardKv<T>::own_block() {
  return {this->device_, this->kv_.positions, {std::move(this->kv_.K), std::move(this->kv_.V)}};
}

template <class T>
Block<T> ForwardKv<T>::attend(int step, const Block<T>& resident, Recorder& recorder) {
  const auto& [rows, positions, Q] = this->queries_;
  const BlockPair<T> pair{*Q, resident[0], resident[1], *positions, *resident.positions, this->config_.scoring};
  this->attend_all(step, resident.owner, pair, this->state_, watch_, recorder);
  watch_.after(this->state_, step, resident.owner, recorder);
  return {};
}

template <class T>
Allocations ForwardKv<T>::allocations() const {
  const Tensor<T>& Q = *this->queries_.Q;
  Allocations allocations{{"Q", Q.bytes()},
                    {"m l O", this->state_.bytes()},
                    {"S tile", tile_bytes<T>(Q.shape().S, this->config_.kv_rows, 1)}};
  add_buffers(allocations, this->config_, *this);
  return allocations;
}

// ---- Q rotates ---------------------------------------------------------------

template <class T>
Block<T> ForwardQ<T>::own_block() {
  return {this->device_, this->queries_.positions, {std::move(this->queries_.Q)}};
}

template <class T>
RowRecorder<T> ForwardQ<T>::watch(int owner) const {
  const RingConfig& all = this->config_;
  if (all.traced_rows.none()) return {};
  return {all.traced_rows, rows_of_device(all.layout, owner, all.devices, all.q.S)};
}

template <class T>
Block<T> ForwardQ<T>::attend(int step, const Block<T>& resident, Recorder& recorder) {
  const auto& [rows, positions, K, V] = this->kv_;
  const BlockPair<T> pair{resident[0], *K, *V, *resident.positions, *positions, this->config_.scoring};
  SoftmaxState<T> state(this->config_.out_of(resident[0].shape().S));
  // What a row reads later is shown when it is merged with what came before
  RowRecorder<T> watch = step == 0 ? this->watch(resident.owner) : RowRecorder<T>();
  this->attend_all(step, resident.owner, pair, state, watch, recorder);
  watch.after(state, step, this->device_, recorder);
  return to_block(resident.owner, std::move(state));
}

template <class T>
void ForwardQ<T>::accumulate(int step, Block<T>& result, Block<T> arrived, Recorder& recorder) {
  const int owner = result.owner;
  SoftmaxState<T> state = to_state(std::move(arrived));
  RowRecorder<T> watch = this->watch(owner);
  watch.before(state);
  state.merge(to_state(std::move(result)));
  facts.record_merge(EventKind::merge, step, owner);
  watch.after(state, step, this->device_, recorder);
  result = to_block(owner, std::move(state));
}

template <class T>
void ForwardQ<T>::accept_results(Block<T> result) {
  this->state_ = to_state(std::move(result));
}

template <class T>
Allocations ForwardQ<T>::allocations() const {
  const auto& [rows, positions, K, V] = this->kv_;
  Allocations allocations{{"K", K->bytes()},
                    {"V", V->bytes()},
                    {"S tile", tile_bytes<T>(this->config_.q_rows, K->shape().S, 1)}};
  add_buffers(allocations, this->config_, *this);
  return allocations;
}

template class Forward<float>;
template class Forward<double>;
template class ForwardKv<float>;
template class ForwardKv<double>;
template class ForwardQ<float>;
template class ForwardQ<double>;

}  // namespace ringattn
