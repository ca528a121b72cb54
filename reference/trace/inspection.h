#pragma once

#include <sstream>

#include "reference/trace/checker.h"
#include "reference/trace/event_names.h"
#include "reference/trace/spans.h"

namespace ringattn {

// A trace under the checker: what all of its parts look at, and the sentences that they write down.
class Inspection {
 public:
  Inspection(const TraceHeader& trace_header, std::span<const Event> events, Extent extent);

  const TraceHeader& header;
  const Spans spans;
  const bool whole;
  std::vector<std::string> sentences;

  // Which of the passes round the ring a span of spans.all() belongs to, from 0; -1: it stands before all of
  // them
  int pass_of(const Span& span) const { return passes_[index_of(span)]; }
  std::size_t index_of(const Span& span) const {
    return static_cast<std::size_t>(&span - spans.all().data());
  }

  // In an unfinished trace, an event may be missing because its device had not come so far
  bool may_be_missing(EventId id) const;

  template <class... Pieces>
  void complain(const Event& event, const Pieces&... pieces) {
    complain("event ", to_string(event.id), " (", name(event.kind), " at step ", event.step, ") ", pieces...);
  }
  template <class... Pieces>
  void complain(std::string_view first, const Pieces&... pieces) {
    if (sentences.size() >= 100) return;
    std::ostringstream sentence;
    sentence << first;
    (sentence << ... << pieces);
    sentences.push_back(sentence.str());
  }

 private:
  std::vector<int> passes_;
};

// The parts of the checker
void check_ids(Inspection& trace);
void check_lanes(Inspection& trace);
void check_causes(Inspection& trace);
void check_passes(Inspection& trace);
void check_schedule(Inspection& trace);
void check_messages(Inspection& trace);
void check_memory(Inspection& trace);
void check_rows(Inspection& trace);

}  // namespace ringattn
