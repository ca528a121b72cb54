#pragma once

#include <stdexcept>

#include "gpu/runtime/device_buffer.h"
#include "reference/comm/block.h"

namespace ringattn {

namespace gpu {

// Takes the place of an arithmetic type in Tensor, Block, Link and Device for rings whose numbers are in device memory.
struct OnGpu {};

}  // namespace gpu

// A tensor of shape (B, S, H, D) in device memory, each head contiguous: (B, H, S, D) in order of addresses. It can
// take any shape for which it has room.
template <>
class Tensor<gpu::OnGpu> {
 public:
  Tensor(const Shape& room, Index bytes_per_element)
      : shape_(room),
        bytes_per_element_(bytes_per_element),
        memory_(static_cast<std::size_t>(room.size() * bytes_per_element)) {}

  const Shape& shape() const { return shape_; }
  Index bytes_per_element() const { return bytes_per_element_; }
  Index bytes() const { return shape_.size() * bytes_per_element_; }
  void* data() { return memory_.data(); }
  const void* data() const { return memory_.data(); }
  template <class T>
  T* as() {
    return static_cast<T*>(memory_.data());
  }
  template <class T>
  const T* as() const {
    return static_cast<const T*>(memory_.data());
  }

  void set_shape(const Shape& shape) {
    if (static_cast<std::size_t>(shape.size() * bytes_per_element_) > memory_.bytes())
      throw std::logic_error("[gpu] a travelling block must fit into every receive buffer");
    shape_ = shape;
  }

 private:
  Shape shape_;
  Index bytes_per_element_;
  gpu::DeviceBuffer memory_;
};

namespace gpu {

using GpuTensor = Tensor<OnGpu>;
using GpuBlock = Block<OnGpu>;

// Sets the number of rows of all tensors of the block
inline void set_rows(const GpuBlock& block, Index rows) {
  for (const auto& tensor : block.tensors) {
    Shape shape = tensor->shape();
    shape.S = rows;
    tensor->set_shape(shape);
  }
}

// Bytes of the block if it had _rows_ rows
inline Index bytes_for_rows(const GpuBlock& block, Index rows) {
  Index sum = 0;
  for (const auto& tensor : block.tensors) {
    const Shape& shape = tensor->shape();
    sum += shape.B * rows * shape.H * shape.D * tensor->bytes_per_element();
  }
  return sum;
}

}  // namespace gpu

// RowPositions stay on the host; only the positions travel, as one of the tensors
template <>
inline Index Block<gpu::OnGpu>::bytes() const {
  Index sum = 0;
  for (const auto& tensor : tensors) sum += tensor->bytes();
  return sum;
}

}  // namespace ringattn
