#pragma once

#include "reference/blockwise/block_plan.h"
#include "reference/comm/block.h"
#include "reference/ring/programs/pass_description.h"

namespace ringattn {

// The arithmetic of one device. There are four programs: forward and backward, each with K/V or with Q rotating. They
// differ in the tensors that stay and the tensors that travel (table in pass_description.h); the loop and the device
// that run them are the same.
template <class T>
class DeviceProgram {
 public:
  virtual ~DeviceProgram() = default;

  // The names of the tensors that travel, and the memory of the pass on this device
  virtual PassDescription description() const = 0;

  // The block that this device owns and that travels around the ring. Called once, before step 0
  virtual Block<T> own_block() = 0;

  // The pairs of query and key that the mask allows between the rows of this device and those of _resident_
  virtual BlockWork work_with(const Block<T>& resident) const = 0;

  // Computes with the resident block. Returns the contribution of this device to the results of the block's owner; an
  // empty block if no results travel
  virtual Block<T> attend(int step, const Block<T>& resident) = 0;

  // result = arrived + result, or their merge: _arrived_ holds the contributions of the devices that had the block
  // at earlier steps
  virtual void accumulate(int /*step*/, Block<T>& /*result*/, Block<T> /*arrived*/) {}

  // Takes the complete results for the own block. Called once, after the last step
  virtual void accept_results(Block<T> /*results*/) {}
};

}  // namespace ringattn
