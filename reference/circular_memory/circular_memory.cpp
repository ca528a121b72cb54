#include "reference/circular_memory/circular_memory.h"

#include "reference/circular_memory/eviction.h"

namespace ringattn {

namespace {

// The next _size_ slots after those of _before_
RingBuffer after(const RingBuffer& before, Index size) {
  return RingBuffer({before.slots().end, before.slots().end + size});
}

const MemoryOptions& checked(const MemoryOptions& options) {
  check(options);
  return options;
}

}  // namespace

template <class T>
CircularMemory<T>::CircularMemory(const MemoryOptions& options, Index D, Index Dv)
    : options_(checked(options)),
      slots_(options.slots(), D, Dv, options.pooled_slots > 0 ? options.kernel.size() : 1),
      sinks_({0, options.sinks}),
      window_(after(sinks_, options.window)),
      heavy_hitters_(after(window_, options.heavy_hitters)),
      waiting_(after(heavy_hitters_, options.pooled_slots > 0 ? options.kernel.size() : 0)),
      pooled_(after(waiting_, options.pooled_slots)),
      linear_(options.linear ? D : 0, options.linear ? Dv : 0) {}

template <class T>
void CircularMemory<T>::append(const Eigen::Ref<const RowVector<T>>& k,
                               const Eigen::Ref<const RowVector<T>>& v) {
  if (!sinks_.is_full()) {
    slots_.write(sinks_.push(), k, v, seen_++);
    return;
  }
  if (window_.is_full()) leave_window(window_.next());
  slots_.write(window_.push(), k, v, seen_++);
}

// The token of this slot, the oldest of the window, becomes a heavy hitter or moves on
template <class T>
void CircularMemory<T>::leave_window(Index slot) {
  if (!heavy_hitters_.is_full()) {
    slots_.move(slot, heavy_hitters_.push());
    return;
  }
  const Index evicted = least_attended(slots_, heavy_hitters_.slots(), slot);
  leave_single_slots(evicted);
  slots_.move(slot, evicted);
}

// The token of this slot waits to be pooled, or moves on
template <class T>
void CircularMemory<T>::leave_single_slots(Index slot) {
  if (pooled_.capacity() == 0) {
    leave_all_slots(slot);
    return;
  }
  slots_.move(slot, waiting_.push());
  if (!waiting_.is_full()) return;

  // Pool the waiting tokens into the slot of the oldest pooled ones
  if (pooled_.is_full()) leave_all_slots(pooled_.next());
  pool(options_.kernel, waiting_.slots(), pooled_.push(), slots_);
  waiting_.clear();
}

// The tokens of this slot are added to the linear memory, or dropped
template <class T>
void CircularMemory<T>::leave_all_slots(Index slot) {
  const Index count = slots_.token_count(slot);
  if (options_.linear)
    linear_.add(slots_.K.row(slot), slots_.V.row(slot), count);
  else
    dropped_ += count;
  slots_.clear(slot);
}

template <class T>
TokenCounts CircularMemory<T>::token_counts() const {
  return {.sinks = sinks_.size(),
          .window = window_.size(),
          .heavy_hitters = heavy_hitters_.size(),
          .waiting = waiting_.size(),
          .pooled = pooled_.size() * options_.kernel.size(),
          .linear = linear_.tokens(),
          .dropped = dropped_};
}

template class CircularMemory<float>;
template class CircularMemory<double>;

}  // namespace ringattn
