#pragma once

#include <sstream>

#include "reference/trace/check/checker.h"
#include "reference/trace/event_names.h"
#include "reference/trace/spans.h"

namespace ringattn {

// A trace under the checker: what all of its parts look at, and the violations that they write down.
class CheckContext {
 public:
  CheckContext(const TraceHeader& trace_header, std::span<const Event> events, TraceExtent extent);

  const TraceHeader& header;
  const Spans spans;
  const bool complete;
  std::vector<std::string> violations;

  // Which of the passes round the ring a span of spans.all() belongs to, from 0; -1: it stands before all of
  // them
  int pass_of(const Span& span) const { return passes_[index_of(span)]; }
  std::size_t index_of(const Span& span) const {
    return static_cast<std::size_t>(&span - spans.all().data());
  }

  // In an unfinished trace, an event may be missing because its device had not come so far
  bool may_be_pending(EventId id) const;

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

// The parts of the checker
void check_ids(CheckContext& trace);
void check_lanes(CheckContext& trace);
void check_causes(CheckContext& trace);
void check_passes(CheckContext& trace);
void check_schedule(CheckContext& trace);
void check_messages(CheckContext& trace);
void check_memory(CheckContext& trace);
void check_rows(CheckContext& trace);

}  // namespace ringattn
