#pragma once

#include "reference/blockwise/block_pair.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/programs/device_program.h"

namespace ringattn {

// Zeros of the same shape, each head contiguous
template <class T>
Tensor<T> zeros_like(const Tensor<T>& tensor) {
  return Tensor<T>(tensor.shape(), Axes::bhsd);
}

// The common interface of both backward programs: the gradients of the own rows after the last step, and the sum of
// gradients that travels along the ring.
template <class T>
class BackwardProgram : public DeviceProgram<T> {
 public:
  explicit BackwardProgram(PassDescription description) : description_(std::move(description)) {}

  PassDescription description() const override { return description_; }
  BlockWork work_with(const Block<T>& resident) const override { return pair_with(resident).work(); }

  // The queries, keys and values on this device while _resident_ is resident
  virtual BlockPair<T> pair_with(const Block<T>& resident) const = 0;

  // sum = arrived + own: the contributions of earlier devices come first, so the order of the sum, and with it every
  // bit, is fixed
  void accumulate(int /*step*/, Block<T>& result, Block<T> arrived) override {
    for (std::size_t i = 0; i < result.tensors.size(); ++i) {
      T* sum = result.tensors[i]->data();
      const T* before = arrived.tensors[i]->data();
      for (Index n = 0; n < result.tensors[i]->size(); ++n) sum[n] = before[n] + sum[n];
    }
  }

  virtual const std::vector<Index>& query_rows() const = 0;  // positions of the own rows in the sequence
  virtual const std::vector<Index>& kv_rows() const = 0;
  virtual const Gradients<T>& gradients() const = 0;  // dQ, dK, dV of these rows

 private:
  PassDescription description_;
};

}  // namespace ringattn
