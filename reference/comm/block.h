#pragma once

#include <memory>
#include <vector>

#include "reference/definition/row_positions.h"
#include "reference/definition/tensor.h"

namespace ringattn {

// The unit of communication: tensors of one device's rows, with the positions of these rows. Which tensors a block
// holds depends on the pass, for example K V, Q, or dK dV.
//
// A copy of a Block shares its tensors, and shared tensors must not be modified. copy_tensors makes an independent
// copy.
template <class T>
struct Block {
  int owner = -1;                                   // the device that owns these rows
  std::shared_ptr<const RowPositions> positions;    // of the rows; null for results
  std::vector<std::shared_ptr<Tensor<T>>> tensors;  // (B, rows, heads, dim) each

  bool empty() const { return tensors.empty(); }
  const Tensor<T>& operator[](std::size_t i) const { return *tensors[i]; }

  // Of the tensors and the positions, as they travel
  Index bytes() const {
    Index sum = positions ? positions->bytes() : 0;
    for (const auto& tensor : tensors) sum += tensor->bytes();
    return sum;
  }
};

// Moves a tensor to the heap, for a Block to share
template <class T>
std::shared_ptr<Tensor<T>> shared(Tensor<T> tensor) {
  return std::make_shared<Tensor<T>>(std::move(tensor));
}

// Copies _source_ to _target_, which then shares no tensor with it. Tensors that only _target_ refers to are
// overwritten, so that a slot allocates memory once
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
