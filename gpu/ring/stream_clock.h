#pragma once

#include <map>
#include <utility>
#include <vector>

#include "gpu/runtime/stream.h"
#include "reference/trace/event.h"

namespace ringattn::gpu {

// The clock of a run on the GPU. Its facts are written down when the work is asked for, long before it is
// done: they are kept until the streams have finished, and handed on in their order with the wall times at
// which the streams began and ended the work that they tell of.
class StreamClock : public TraceSink {
 public:
  // A piece of work, or a journey. Whoever asks for it records both marks, if anybody wants to know.
  struct Stretch {
    Mark begins, ends;
  };

  StreamClock(TraceSink& sink, int devices);

  // Wall time begins here
  void start(Stream& stream) { stream.record(start_); }

  Stretch& wave(int step) { return waves_[step]; }
  Stretch& merge(int step) { return merges_[step]; }
  Stretch& journey(EventId sent) { return journeys_[{sent.device, sent.sequence}].stretch; }

  void take(const Event& fact) override { facts_.push_back(fact); }

  // Waits for _last_, the stream that has to wait for all others
  void hand_on(Stream& last);

 private:
  struct Journey {
    Stretch stretch;
    std::int64_t began = 0, arrived = 0;  // wall nanoseconds
  };
  // The device whose fact it is, while facts are handed on; wall nanoseconds
  struct Progress {
    std::int64_t now = 0, idle_since = 0;
  };

  std::int64_t read(const Mark& mark) const;
  Journey& journey_of(EventId sent) { return journeys_.at({sent.device, sent.sequence}); }
  std::int64_t moment_of(const Event& fact, const Event& next, const Progress& device);
  void set_time(Event& fact, const Event& next);
  void time_journey(Event& recv, const Progress& device);

  TraceSink& sink_;
  std::vector<Progress> devices_;
  std::vector<Event> facts_;
  Mark start_, end_;
  std::map<int, Stretch> waves_, merges_;            // by step
  std::map<std::pair<int, int>, Journey> journeys_;  // by the id of the send event
};

}  // namespace ringattn::gpu
