#pragma once

#include <span>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

// One thing that happened: the events that carry its id.
struct Span {
  const Event* begin = nullptr;  // of a point in time too
  const Event* end = nullptr;    // of a point in time: the same; null: it has not ended yet

  bool has_duration() const { return begin->phase == EventPhase::begin; }
};

// The events of a trace with begins and ends paired. The events must outlive it.
class Spans {
 public:
  explicit Spans(std::span<const Event> events);

  // In the order in which the devices began them: by device, then by sequence
  const std::vector<Span>& all() const { return spans_; }
  std::span<const Span> of(int device) const;

  // Null where nothing has this id
  const Span* find(EventId id) const;

  // Events that belong to no span: an end without a begin, or a second event where one is enough
  const std::vector<const Event*>& unmatched() const { return unmatched_; }

 private:
  std::vector<Span> spans_;
  std::vector<const Event*> unmatched_;
};

}  // namespace ringattn
