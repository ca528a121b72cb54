#pragma once

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// What the events of a complete trace say about a moment of the modelled time. It uses nothing of the visualizer but
// the list of events, so that the numbers of the panels can be compared with it.
class ReadTrace {
 public:
  // Work with a duration, or a point in time with begin == end
  struct Work {
    const Event *begin = nullptr, *end = nullptr;
    bool has_begun(double t) const { return begin->t <= t; }
    bool is_over(double t) const { return end->t <= t; }
    double part(double t) const { return (t - begin->t) / (end->t - begin->t); }
  };

  explicit ReadTrace(const std::vector<Event>& events) {
    for (const Event& event : events) {
      Work& work = works_[{event.id.device, event.id.sequence}];
      if (!work.begin) work.begin = &event;
      work.end = &event;
      duration_ = std::max(duration_, event.t);
    }
  }

  double duration() const { return duration_; }
  const Work& at(EventId id) const { return works_.at({id.device, id.sequence}); }

  // Those of one kind, by device and number
  std::vector<Work> all(EventKind kind) const {
    std::vector<Work> found;
    for (const auto& [id, work] : works_)
      if (work.begin->kind == kind) found.push_back(work);
    return found;
  }
  std::vector<Work> of(int device, EventKind kind) const {
    std::vector<Work> found = all(kind);
    std::erase_if(found, [device](const Work& work) { return work.begin->id.device != device; });
    return found;
  }
  // Those of the pass in which the device is at _t_, begun until then
  std::vector<Work> of_pass(int device, EventKind kind, double t) const {
    int first = -1;
    for (const Work& run : of(device, EventKind::run))
      if (run.has_begun(t)) first = std::max(first, run.begin->id.sequence);
    std::vector<Work> found = of(device, kind);
    std::erase_if(found,
                  [&](const Work& work) { return !work.has_begun(t) || work.begin->id.sequence < first; });
    return found;
  }

  // The name of the pass of an event
  std::string_view pass_name(const Event& event) const {
    std::string_view name;
    for (const Work& run : of(event.id.device, EventKind::run))
      if (run.begin->id.sequence <= event.id.sequence) name = run.begin->what;
    return name;
  }

  // The share of the time until _t_, or until the end, in work of one kind
  double share(int device, EventKind kind, double t) const {
    const double until = std::min(t, duration_);
    double sum = 0;
    for (const Work& work : of(device, kind))
      sum += std::max(0.0, std::min(work.end->t, until) - work.begin->t);
    return sum / until;
  }

  // Allocated and not yet freed
  std::int64_t bytes(int device, double t) const {
    std::int64_t sum = 0;
    for (const Work& alloc : of(device, EventKind::alloc)) sum += alloc.has_begun(t) * alloc.begin->bytes;
    for (const Work& free : of(device, EventKind::free)) sum -= free.has_begun(t) * free.begin->bytes;
    return sum;
  }
  // The most until _t_
  std::int64_t peak_bytes(int device, double t) const {
    std::int64_t sum = 0, peak = 0;
    for (const auto& [id, work] : works_) {
      if (id.first != device || !work.has_begun(t)) continue;
      if (work.begin->kind == EventKind::alloc) sum += work.begin->bytes;
      if (work.begin->kind == EventKind::free) sum -= work.begin->bytes;
      peak = std::max(peak, sum);
    }
    return peak;
  }

  // A message that has been sent and has not arrived
  struct Message {
    const Event* send = nullptr;
    double part = 0;
  };
  std::vector<Message> messages(double t) const {
    std::vector<Message> found;
    for (const Work& send : all(EventKind::send))
      for (const Work& recv : all(EventKind::recv))
        if (recv.begin->cause[0] == send.begin->id && send.has_begun(t) && !recv.is_over(t))
          found.push_back({send.begin, (t - send.begin->t) / (recv.end->t - send.begin->t)});
    return found;
  }

  // The updates of a row in the first sequence and head that have begun until _t_: with the arithmetic on a block, or
  // when two states are merged, which takes no time. Each ends at the time of its event
  std::vector<const Event*> updates(std::int64_t row, double t) const {
    std::vector<const Event*> found;
    for (const Work& work : all(EventKind::row)) {
      const Event& event = *work.begin;
      if (event.row->row != row || event.row->batch != 0 || event.row->head != 0) continue;
      double begun = event.t;
      for (const Work& compute : of(event.id.device, EventKind::compute))
        if (compute.begin->id.sequence < event.id.sequence && !event.row->scores.empty())
          begun = compute.begin->t;
      if (begun <= t) found.push_back(&event);
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const Event* a, const Event* b) { return a->step < b->step; });
    return found;
  }

 private:
  std::map<std::pair<int, int>, Work> works_;
  double duration_ = 0;
};

}  // namespace ringattn::viz
