#pragma once

#include "reference/blockwise/block_plan.h"
#include "reference/comm/block.h"
#include "reference/ring/pass_description.h"

namespace ringattn {

// What one device computes with the blocks that pass through it. Forward and backward, with K/V or with Q rotating,
// are four programs. They differ only in which tensors stay and which travel; the loop that runs them is the same.
template <class T>
class DeviceProgram {
 public:
  virtual ~DeviceProgram() = default;

  // Names of what travels, and the memory that the pass takes on this device
  virtual PassDescription description() const = 0;

  // The block of this device, which travels around the ring
  virtual Block<T> own_block() = 0;

  // How many pairs of query and key the mask leaves while _resident_ is on this device
  virtual BlockWork work_with(const Block<T>& resident) const = 0;

  // Computes with the resident block at a step. Returns this device's contribution to the results of the block's
  // owner, or an empty block where all results stay on the devices that compute them
  virtual Block<T> attend(int step, const Block<T>& resident) = 0;

  // result = arrived + result: _arrived_ holds the contributions of the devices that had the block before
  virtual void accumulate(int /*step*/, Block<T>& /*result*/, Block<T> /*arrived*/) {}

  // Takes the results for the own block, to which all devices have contributed
  virtual void accept_results(Block<T> /*results*/) {}
};

}  // namespace ringattn
