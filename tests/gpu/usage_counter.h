#pragma once

#include <map>
#include <string_view>
#include <utility>

#include "reference/definition/tensor.h"
#include "reference/trace/event.h"

namespace ringattn {

// The memory that devices report, and the number of hops of each kind of message for each owner
struct UsageCounter : TraceSink {
  std::map<int, Index> bytes;
  std::map<std::pair<std::string_view, int>, int> hops;

  void write(const Event& e) override {
    if (e.kind == EventKind::alloc) bytes[e.id.device] += e.bytes;
    if (e.kind == EventKind::send && e.phase == EventPhase::begin) ++hops[{e.what, e.owner}];
  }
};

}  // namespace ringattn
