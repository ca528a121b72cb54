#pragma once

#include <algorithm>

#include "reference/definition/layout.h"

namespace ringattn {

// A circular buffer over the slots [begin, end) of a memory: the n-th push goes to slot begin + n mod capacity, which
// holds the oldest entry once the buffer is full. With 3 slots, after 5 pushes:
//
//   slot    0 1 2
//   entry   3 4 2     the next push, 5, overwrites 2
class RingBuffer {
 public:
  explicit RingBuffer(const RowRange& slots) : slots_(slots) {}

  Index capacity() const { return slots_.size(); }
  Index size() const { return std::min(pushed_, capacity()); }
  bool is_full() const { return pushed_ >= capacity(); }
  const RowRange& slots() const { return slots_; }

  // The slot of the next push: free, or that of the oldest entry if the buffer is full. Requires a capacity
  Index next() const { return slots_.begin + pushed_ % capacity(); }

  // Takes that slot
  Index push() {
    const Index slot = next();
    ++pushed_;
    return slot;
  }

  void clear() { pushed_ = 0; }

 private:
  RowRange slots_;
  Index pushed_ = 0;
};

}  // namespace ringattn
