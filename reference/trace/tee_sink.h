#pragma once

#include <utility>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

// Passes each event to several sinks, in the given order.
class TeeSink : public TraceSink {
 public:
  explicit TeeSink(std::vector<TraceSink*> sinks) : sinks_(std::move(sinks)) {}

  void write(const Event& event) override {
    for (TraceSink* sink : sinks_) sink->write(event);
  }

 private:
  std::vector<TraceSink*> sinks_;
};

}  // namespace ringattn
