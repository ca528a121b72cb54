#pragma once

#include <span>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

// The events with one id: a begin and an end, or a single point in time.
struct Span {
  const Event* begin = nullptr;  // or the point in time
  const Event* end = nullptr;    // of a point in time: the same event; null: not ended yet

  bool has_duration() const { return begin->phase == EventPhase::begin; }
};

// The events of a trace with begins and ends paired. Holds pointers: the events must outlive it.
class Spans {
 public:
  explicit Spans(std::span<const Event> events);

  // All spans, by (device, sequence)
  const std::vector<Span>& all() const { return spans_; }

  // The spans of one device, by sequence
  std::span<const Span> of(int device) const;

  // The span with this id; null if there is none
  const Span* find(EventId id) const;

  // Events that belong to no span: an end without a begin, or a second event with the same id
  const std::vector<const Event*>& unmatched() const { return unmatched_; }

 private:
  std::vector<Span> spans_;
  std::vector<const Event*> unmatched_;
};

}  // namespace ringattn
