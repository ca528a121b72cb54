#pragma once

#include <cstddef>
#include <memory>

#include "reference/definition/pair_view.h"

namespace ringattn {

// One value for each pair of query and key, (B, H, Sq, Skv), for a bias or a boolean mask; initially zero or false.
// An extent of 1 broadcasts along its axis. Copies share the values.
template <class T>
class PairTensor {
 public:
  PairTensor() = default;
  PairTensor(Index B, Index H, Index Sq, Index Skv)
      : numbers_(new T[static_cast<std::size_t>(B * H * Sq * Skv)]()),
        strides_{B == 1 ? 0 : H * Sq * Skv, H == 1 ? 0 : Sq * Skv, Sq == 1 ? 0 : Skv, Skv == 1 ? 0 : 1} {}

  T& operator()(Index b, Index h, Index i, Index j) const { return numbers_[at(b, h, i, j)]; }
  operator PairView<T>() const {
    return {numbers_.get(), strides_[0], strides_[1], strides_[2], strides_[3]};
  }

 private:
  std::ptrdiff_t at(Index b, Index h, Index i, Index j) const {
    return b * strides_[0] + h * strides_[1] + i * strides_[2] + j * strides_[3];
  }

  std::shared_ptr<T[]> numbers_;
  Index strides_[4] = {};
};

}  // namespace ringattn
