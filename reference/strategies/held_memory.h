#pragma once

#include "reference/ring/record/recorded_program.h"

namespace ringattn {

// What a device holds outside of its program, as events of a trace.
class HeldMemory {
 public:
  explicit HeldMemory(Recorder& recorder) : recorder_(recorder) {}

  void hold(std::string_view name, Index bytes) {
    recorder_.record_alloc(name, bytes);
    held_.emplace_back(name, bytes);
  }

  // A block that is made of received pieces: both exist at the same time
  void hold_with_pieces(std::string_view name, Index bytes) {
    hold(name, bytes);
    hold(name, bytes);
  }

  void release_all() {
    for (const auto& [name, bytes] : held_) recorder_.record_free(name, bytes);
    held_.clear();
  }

 private:
  Recorder& recorder_;
  Allocations held_;
};

}  // namespace ringattn
