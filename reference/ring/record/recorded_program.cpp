#include "reference/ring/record/recorded_program.h"

namespace ringattn {

namespace {

// The state on a device
template <class T>
StateView<T> view(const SoftmaxState<T>& state) {
  return {state.m, state.l, state.O};
}

// The state that travels as a block of m, l and O
template <class T>
StateView<T> view(const Block<T>& block) {
  return {block[0], block[1], block[2]};
}

}  // namespace

// ---- Rows while K and V rotate -----------------------------------------------------

template <class T>
void RecordedForwardKv<T>::before_attend(int, const Block<T>& resident) {
  rows_.before(view(forward_.state()), forward_.pair_with(resident));
}

template <class T>
void RecordedForwardKv<T>::after_attend(int step, const Block<T>& resident, const Block<T>&) {
  rows_.after(view(forward_.state()), step, resident.owner, this->recorder());
}

// ---- Rows while Q rotates --------------------------------------------------------

template <class T>
RowRecorder<T> RecordedForwardQ<T>::rows_of(int owner) const {
  if (traced_.none()) return {};
  return {traced_, rows_of_device(config_.layout, owner, config_.devices, config_.q.S)};
}

template <class T>
void RecordedForwardQ<T>::before_attend(int step, const Block<T>& resident) {
  // Only step 0 updates a state in attend; later steps update it in accumulate
  rows_ = {};
  if (step > 0 || traced_.none()) return;
  rows_ = rows_of(resident.owner);
  const BlockPair<T> pair = forward_.pair_with(resident);
  const SoftmaxState<T> before(config_.out_of(pair.Q.shape().S), config_.scoring.sinks);
  rows_.before(view(before), pair);
}

template <class T>
void RecordedForwardQ<T>::after_attend(int step, const Block<T>&, const Block<T>& result) {
  rows_.after(view(result), step, device_, this->recorder());
}

template <class T>
void RecordedForwardQ<T>::before_accumulate(const Block<T>& result, const Block<T>& arrived) {
  rows_ = rows_of(result.owner);
  rows_.before(view(arrived));
}

template <class T>
void RecordedForwardQ<T>::after_accumulate(int step, const Block<T>& result) {
  rows_.after(view(result), step, device_, this->recorder());
}

template class RecordedForwardKv<float>;
template class RecordedForwardKv<double>;
template class RecordedForwardQ<float>;
template class RecordedForwardQ<double>;

}  // namespace ringattn
