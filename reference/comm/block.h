#pragma once

#include <memory>
#include <vector>

#include "reference/definition/tensor.h"
#include "reference/definition/row_positions.h"

namespace ringattn {

// What travels round the ring: tensors of one device's rows, and the tokens of these rows.
// Copying a Block shares its tensors, which nobody may change from then on; copy_tensors gives them a life of
// their own.
template <class T>
struct Block {
  int owner = -1;                                   // the device whose rows these are
  std::shared_ptr<const RowPositions> positions;             // of the rows, as positions travel with their rows
  std::vector<std::shared_ptr<Tensor<T>>> tensors;  // K V, Q, dK dV, ...: as the work at hand says

  bool empty() const { return tensors.empty(); }
  const Tensor<T>& operator[](std::size_t i) const { return *tensors[i]; }

  Index bytes() const {
    Index sum = positions ? positions->bytes() : 0;
    for (const auto& tensor : tensors) sum += tensor->bytes();
    return sum;
  }
};

template <class T>
std::shared_ptr<Tensor<T>> shared(Tensor<T> tensor) {
  return std::make_shared<Tensor<T>>(std::move(tensor));
}

// _target_ becomes equal to _source_ but shares no tensor with it; memory that only _target_ uses is used
// again
template <class T>
void copy_tensors(const Block<T>& source, Block<T>& target) {
  target.owner = source.owner;
  target.positions = source.positions;
  target.tensors.resize(source.tensors.size());
  for (std::size_t i = 0; i < source.tensors.size(); ++i) {
    if (!target.tensors[i] || target.tensors[i].use_count() > 1)
      target.tensors[i] = std::make_shared<Tensor<T>>();
    *target.tensors[i] = *source.tensors[i];
  }
}

}  // namespace ringattn
