#pragma once

#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// One value for each sequence of a batch and each query head.
template <class T>
class PerHead {
 public:
  PerHead() = default;
  PerHead(Index batches, Index heads, const T& value = {})
      : batches_(batches), heads_(heads), values_(static_cast<std::size_t>(batches * heads), value) {}

  Index batches() const { return batches_; }
  Index heads() const { return heads_; }
  T& operator()(Index b, Index h) { return values_[static_cast<std::size_t>(b * heads_ + h)]; }
  const T& operator()(Index b, Index h) const { return values_[static_cast<std::size_t>(b * heads_ + h)]; }

  auto begin() { return values_.begin(); }
  auto end() { return values_.end(); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  Index batches_ = 0, heads_ = 0;
  std::vector<T> values_;
};

}  // namespace ringattn
