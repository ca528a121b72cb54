#include "visualizer/model/critical_path.h"

#include <algorithm>
#include <array>
#include <map>

#include "visualizer/model/moment.h"

namespace ringattn::viz {

namespace {

// Follows the path from its end to its start.
class PathFinder {
 public:
  PathFinder(const Recording& recording, Clock clock) : recording_(recording), clock_(clock) {
    for (const Span& span : recording.spans().all())
      if (span.begin->kind == EventKind::recv && span.begin->cause[0])
        arrivals_[{span.begin->cause[0].device, span.begin->cause[0].sequence}] = &span;
  }

  std::vector<PathPart> find() {
    // Begin at the last work of the device that finishes last; then go from cause to cause
    const Span* work = nullptr;
    for (const Span& span : recording_.spans().all())
      if (takes_time(span) && (!work || ended(span) > ended(*work))) work = &span;
    while (work) work = add(*work);
    std::reverse(path_.begin(), path_.end());
    return std::move(path_);
  }

 private:
  double began(const Span& span) const { return recording_.began(span, clock_); }
  double ended(const Span& span) const { return recording_.ended(span, clock_); }

  // Only arithmetic and waits advance the time of a device
  bool takes_time(const Span& span) const {
    const EventKind kind = span.begin->kind;
    return (kind == EventKind::compute || kind == EventKind::wait) && span.end && ended(span) > began(span);
  }

  // The last arithmetic or wait of the same device before _event_; null: none
  const Span* work_before(const Event& event) const {
    const Span* last = nullptr;
    for (const Span& span : recording_.spans().of(event.id.device)) {
      if (span.begin->id.sequence >= event.id.sequence) break;
      if (takes_time(span)) last = &span;
    }
    return last;
  }

  // Adds the part that ends with _work_, and returns the work before it
  const Span* add(const Span& work) {
    if (work.begin->kind == EventKind::compute) {
      path_.push_back({&work, began(work), ended(work)});
      return work_before(*work.begin);
    }
    // A device waits for a message, or for the next device to take the message before
    if (work.begin->why == "send_buffer") return taking_of_message_before(work);
    const Span* send = work.end->cause[0] ? recording_.spans().find(work.end->cause[0]) : nullptr;
    return send ? add_message(*send, ended(work)) : work_before(*work.begin);
  }

  // A message leaves when both its device and the link are ready: the link after the message before
  const Span* add_message(const Span& send, double arrived) {
    path_.push_back({&send, began(send), arrived});
    const Span *work = work_before(*send.begin), *message = nullptr;
    for (const Span& span : recording_.spans().of(send.begin->id.device)) {
      if (span.begin->id.sequence >= send.begin->id.sequence) break;
      if (span.begin->kind == EventKind::send && span.end) message = &span;
    }
    if (message && ended(*message) >= began(send) && (!work || ended(*message) > ended(*work)))
      return add_message(*message, ended(*message));
    return work;
  }

  // Whether two messages of a device are of one kind and for one receiver. In a bidirectional ring of two devices both
  // directions have such messages, in turn
  static bool is_alike(const Event& a, const Event& b) {
    return a.peer == b.peer && is_result(a.what) == is_result(b.what);
  }

  // The last work of the receiver before it takes a message, which it does between two works; null: none
  const Span* work_before_taking(const Span& send) const {
    const auto arrival = arrivals_.find({send.begin->id.device, send.begin->id.sequence});
    return arrival == arrivals_.end() ? nullptr : work_before(*arrival->second->begin);
  }

  // A slot of the receiver is free when it has taken the message before: of the last two messages alike, the one whose
  // taking ends the wait
  const Span* taking_of_message_before(const Span& wait) const {
    const std::span<const Span> spans = recording_.spans().of(wait.begin->id.device);
    const auto is_send = [](const Span& span) { return span.begin->kind == EventKind::send; };
    const auto next = std::find_if(spans.begin() + (&wait - spans.data()), spans.end(), is_send);
    if (next == spans.end()) return work_before(*wait.begin);
    std::array<const Span*, 2> last{};
    for (const Span& span : spans.first(static_cast<std::size_t>(next - spans.begin())))
      if (is_send(span) && is_alike(*span.begin, *next->begin)) last = {last[1], &span};
    const Span* found = nullptr;
    for (const Span* send : last)
      if (const Span* work = send ? work_before_taking(*send) : nullptr; work)
        if (!found || ended(*found) != ended(wait)) found = work;
    return found ? found : work_before(*wait.begin);
  }

  const Recording& recording_;
  Clock clock_;
  std::map<std::pair<int, int>, const Span*> arrivals_;  // by the id of the send
  std::vector<PathPart> path_;                           // from the end
};

}  // namespace

std::vector<PathPart> critical_path(const Recording& recording, Clock clock) {
  return PathFinder(recording, clock).find();
}

}  // namespace ringattn::viz
