#pragma once

#include "reference/blockwise/softmax_state.h"
#include "reference/ring/programs/device_program.h"

namespace ringattn {

// The common interface of both forward programs: the pair of blocks at a step, and the softmax state of the own rows
// after the last step.
template <class T>
class ForwardProgram : public DeviceProgram<T> {
 public:
  explicit ForwardProgram(PassDescription description) : description_(std::move(description)) {}

  PassDescription description() const override { return description_; }
  BlockWork work_with(const Block<T>& resident) const override { return pair_with(resident).work(); }

  // The queries, keys and values on this device while _resident_ is resident
  virtual BlockPair<T> pair_with(const Block<T>& resident) const = 0;

  virtual const std::vector<Index>& rows() const = 0;  // positions of the own queries in the sequence
  virtual const SoftmaxState<T>& state() const = 0;    // (m, l, O) of these rows

 private:
  PassDescription description_;
};

}  // namespace ringattn
