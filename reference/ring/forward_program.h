#pragma once

#include "reference/blockwise/softmax_state.h"
#include "reference/ring/device_program.h"

namespace ringattn {

// What both forward programs offer: the pair of blocks that meet at a step, and the state once the ring is done.
template <class T>
class ForwardProgram : public DeviceProgram<T> {
 public:
  explicit ForwardProgram(PassDescription description) : description_(std::move(description)) {}

  PassDescription description() const override { return description_; }
  BlockWork work_with(const Block<T>& resident) const override { return pair_with(resident).work(); }

  // The queries and keys that meet on this device while it holds _resident_
  virtual BlockPair<T> pair_with(const Block<T>& resident) const = 0;

  virtual const std::vector<Index>& rows() const = 0;  // of the queries, in the global sequence
  virtual const SoftmaxState<T>& state() const = 0;    // of these rows

 private:
  PassDescription description_;
};

}  // namespace ringattn
