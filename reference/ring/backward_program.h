#pragma once

#include "reference/blockwise/block_pair.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/device_program.h"

namespace ringattn {

// Of the same shape, each head in one piece
template <class T>
Tensor<T> zeros_like(const Tensor<T>& tensor) {
  return Tensor<T>(tensor.shape(), Axes::bhsd);
}

// What both backward programs offer once the ring is done, and the sum that both take along the ring.
template <class T>
class BackwardProgram : public DeviceProgram<T> {
 public:
  explicit BackwardProgram(PassDescription description) : description_(std::move(description)) {}

  PassDescription description() const override { return description_; }
  BlockWork work_with(const Block<T>& resident) const override { return pair_with(resident).work(); }

  // The queries and keys that meet on this device while it holds _resident_
  virtual BlockPair<T> pair_with(const Block<T>& resident) const = 0;

  // Gradients are summed in the order of the steps: what earlier devices contributed comes first
  void accumulate(int /*step*/, Block<T>& result, Block<T> arrived) override {
    for (std::size_t i = 0; i < result.tensors.size(); ++i) {
      T* sum = result.tensors[i]->data();
      const T* before = arrived.tensors[i]->data();
      for (Index n = 0; n < result.tensors[i]->size(); ++n) sum[n] = before[n] + sum[n];
    }
  }

  virtual const std::vector<Index>& query_rows() const = 0;  // in the global sequence
  virtual const std::vector<Index>& kv_rows() const = 0;
  virtual const Gradients<T>& gradients() const = 0;         // of these rows

 private:
  PassDescription description_;
};

}  // namespace ringattn
