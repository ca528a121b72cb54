#pragma once

#include <string_view>
#include <utility>

#include "reference/ring/block.h"
#include "reference/trace/recorder.h"

namespace ringattn {

// Names and bytes of what a device holds from begin to end.
using Allocations = std::vector<std::pair<std::string_view, Index>>;

// What one device does with the blocks that visit it. Which tensors stay and which travel is all that differs
// between forward and backward, K/V rotating and Q rotating; the ring is the same.
template <class T>
class Work {
 public:
  virtual ~Work() = default;

  // The device's own block, which it sends round
  virtual Block<T> own_block() = 0;

  // Uses a visiting block. Returns what this device found out for the block's owner, or an empty block where
  // all results stay here
  virtual Block<T> attend(int step, const Block<T>& resident, Recorder& recorder) = 0;

  // Adds what the devices before this one found out for the same block
  virtual void accumulate(int step, Block<T>& result, Block<T> arrived, Recorder& recorder) = 0;

  // The results of all devices for the own block have come home
  virtual void accept_results(Block<T> result) = 0;

  virtual std::string_view pass() const = 0;  // "forward" or "backward"

  // Names of what travels ahead and behind; nothing travels behind where the latter is empty
  virtual std::string_view ahead() const = 0;
  virtual std::string_view behind() const { return {}; }

  virtual Allocations allocations() const = 0;  // slots included
};

}  // namespace ringattn
