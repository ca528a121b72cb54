#pragma once

#include <sstream>

#include "reference/trace/check/checker.h"
#include "reference/trace/event_names.h"
#include "reference/trace/spans.h"

namespace ringattn {

// The trace under examination, shared by all checks, and the violations found so far.
class CheckContext {
 public:
  CheckContext(const TraceHeader& trace_header, std::span<const Event> events, TraceExtent extent);

  const TraceHeader& header;
  const Spans spans;
  const bool complete;
  std::vector<std::string> violations;

  // The pass around the ring to which a span of spans.all() belongs, from 0; -1: before the first pass
  int pass_of(const Span& span) const { return passes_[index_of(span)]; }
  std::size_t index_of(const Span& span) const {
    return static_cast<std::size_t>(&span - spans.all().data());
  }

  // True if the event is missing because the trace is unfinished and the device has not reached it yet
  bool may_be_pending(EventId id) const;

  // Adds a violation: a sentence about an event, or a whole sentence
  template <class... Pieces>
  void report(const Event& event, const Pieces&... pieces) {
    report("event ", to_string(event.id), " (", name(event.kind), " at step ", event.step, ") ", pieces...);
  }
  template <class... Pieces>
  void report(std::string_view first, const Pieces&... pieces) {
    if (violations.size() >= 100) return;
    std::ostringstream sentence;
    sentence << first;
    (sentence << ... << pieces);
    violations.push_back(sentence.str());
  }

 private:
  std::vector<int> passes_;
};

// The checks, one function each
void check_ids(CheckContext& trace);
void check_lanes(CheckContext& trace);
void check_causes(CheckContext& trace);
void check_passes(CheckContext& trace);
void check_schedule(CheckContext& trace);
void check_messages(CheckContext& trace);
void check_memory(CheckContext& trace);
void check_rows(CheckContext& trace);

}  // namespace ringattn
