#include "gpu/tensor/host_copy.h"

#include <algorithm>
#include <vector>

namespace ringattn::gpu {

namespace {

Shape with_rows(Shape shape, Index rows) { return shape.S = rows, shape; }

}  // namespace

std::shared_ptr<GpuTensor> to_gpu(const Tensor<float>& tensor, Index rows, Dtype dtype, Stream& stream) {
  return with_storage_type(dtype, [&]<class Storage>(std::type_identity<Storage>) {
    std::vector<Storage> elements(tensor.data(), tensor.data() + tensor.size());
    auto target = std::make_shared<GpuTensor>(with_rows(tensor.shape(), rows), sizeof(Storage));
    target->set_shape(tensor.shape());
    stream.copy(target->data(), elements.data(), elements.size() * sizeof(Storage));
    stream.synchronize();
    return target;
  });
}

std::shared_ptr<GpuTensor> positions_to_gpu(const RowPositions& positions, Index rows, Stream& stream) {
  std::vector<int> numbers;
  for (const RowPosition& row_position : positions.of(0))
    numbers.push_back(static_cast<int>(row_position.position));
  auto target = std::make_shared<GpuTensor>(Shape{1, rows, 1, 1}, sizeof(int));
  target->set_shape({1, positions.length(), 1, 1});
  stream.copy(target->data(), numbers.data(), numbers.size() * sizeof(int));
  stream.synchronize();
  return target;
}

std::shared_ptr<GpuTensor> uninitialized(const Shape& shape, Index bytes_per_element, Stream& stream) {
  auto tensor = std::make_shared<GpuTensor>(shape, bytes_per_element);
  stream.fill(tensor->data(), 0xff, static_cast<std::size_t>(tensor->bytes()));
  return tensor;
}

GpuBlock buffers_like(const GpuBlock& block, Index rows, Stream& stream) {
  GpuBlock room;
  for (const auto& tensor : block.tensors)
    room.tensors.push_back(
        uninitialized(with_rows(tensor->shape(), rows), tensor->bytes_per_element(), stream));
  return room;
}

namespace {

// Copies the elements from _first_ on
Tensor<float> part_from_gpu(const GpuTensor& tensor, Index first, const Shape& part, Dtype dtype,
                            Stream& stream) {
  Tensor<float> target(part, Axes::bhsd);
  with_storage_type(dtype, [&]<class Storage>(std::type_identity<Storage>) {
    std::vector<Storage> elements(static_cast<std::size_t>(target.size()));
    stream.copy(elements.data(), tensor.as<Storage>() + first, elements.size() * sizeof(Storage));
    stream.synchronize();
    std::transform(elements.begin(), elements.end(), target.data(),
                   [](Storage x) { return static_cast<float>(x); });
  });
  return target;
}

}  // namespace

Tensor<float> from_gpu(const GpuTensor& tensor, Dtype dtype, Stream& stream) {
  return part_from_gpu(tensor, 0, tensor.shape(), dtype, stream);
}

Tensor<float> head_from_gpu(const GpuTensor& tensor, Dtype dtype, Index b, Index h, Stream& stream) {
  const Shape& all = tensor.shape();
  return part_from_gpu(tensor, (b * all.H + h) * all.S * all.D, {1, all.S, 1, all.D}, dtype, stream);
}

}  // namespace ringattn::gpu
