#pragma once

#include <type_traits>

namespace ringattn::gpu {

// What one launch does for all devices, gathered from them one by one.
template <class Step>
class BatchedStep {
 public:
  using Part = std::remove_extent_t<decltype(Step::device)>;  // what it does for one of them

  // _common_: what they have in common
  explicit BatchedStep(const Step& common) : step_(common) {}

  // Whether this was the last device
  bool add(const Part& part) {
    step_.device[added_++] = part;
    if (added_ < step_.devices) return false;
    added_ = 0;
    return true;
  }
  Step& step() { return step_; }

 private:
  Step step_;
  int added_ = 0;
};

}  // namespace ringattn::gpu
