#include "reference/trace/spans.h"

#include <algorithm>
#include <tuple>

namespace ringattn {

namespace {

bool earlier(const EventId& a, const EventId& b) {
  return std::tie(a.device, a.sequence) < std::tie(b.device, b.sequence);
}

}  // namespace

Spans::Spans(std::span<const Event> events) {
  // Sort by id, with begins first, so that each end follows its begin
  std::vector<const Event*> by_id;
  for (const Event& event : events) by_id.push_back(&event);
  std::stable_sort(by_id.begin(), by_id.end(), [](const Event* a, const Event* b) {
    if (a->id != b->id) return earlier(a->id, b->id);
    return a->phase != EventPhase::end && b->phase == EventPhase::end;
  });

  // Pair each end with the begin before it
  for (const Event* event : by_id) {
    const bool known = !spans_.empty() && spans_.back().begin->id == event->id;
    if (event->phase == EventPhase::end && known && !spans_.back().end)
      spans_.back().end = event;
    else if (event->phase == EventPhase::end || known)
      unmatched_.push_back(event);
    else
      spans_.push_back({event, event->phase == EventPhase::point ? event : nullptr});
  }
}

std::span<const Span> Spans::of(int device) const {
  const auto first = std::lower_bound(spans_.begin(), spans_.end(), device,
                                      [](const Span& span, int d) { return span.begin->id.device < d; });
  const auto last = std::upper_bound(first, spans_.end(), device,
                                     [](int d, const Span& span) { return d < span.begin->id.device; });
  return {spans_.data() + (first - spans_.begin()), static_cast<std::size_t>(last - first)};
}

const Span* Spans::find(EventId id) const {
  const auto found = std::lower_bound(spans_.begin(), spans_.end(), id, [](const Span& span, EventId wanted) {
    return earlier(span.begin->id, wanted);
  });
  return found != spans_.end() && found->begin->id == id ? &*found : nullptr;
}

}  // namespace ringattn
