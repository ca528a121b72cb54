#pragma once

#include <map>
#include <utility>
#include <vector>

#include "gpu/runtime/stream.h"
#include "reference/trace/event.h"

namespace ringattn::gpu {

// The clock of runs on the GPU, one after the other. Their facts are written down when the work is asked for,
// long before it is done: they are kept until the streams have finished, and handed on in their order with
// the wall times at which the streams began and ended the work that they tell of.
class StreamClock : public TraceSink {
 public:
  // A kernel for all devices
  struct Launch {
    Mark begins, ends;
  };

  StreamClock(TraceSink& sink, int devices);

  // A run begins; wall time does with the first
  void start(Stream& stream);

  // Marks that whoever asks for the work records
  Launch& wave(int step) { return waves_[step]; }
  Mark& joined(int step) { return joined_[step]; }
  Mark& arrival(EventId sent) { return journeys_[{sent.device, sent.sequence}].arrives; }

  void take(const Event& fact) override { facts_.push_back(fact); }

  // A run ends: waits for _last_, the stream that has to wait for all others
  void hand_on(Stream& last);

 private:
  struct Journey {
    Mark arrives;
    std::int64_t began = 0, arrived = 0;  // wall nanoseconds
  };
  // How far a device has come, by the facts that have their times; wall nanoseconds
  struct Progress {
    std::int64_t now = 0, idle_since = 0;
    Event* sent = nullptr;  // the end of the last send
  };

  std::int64_t read(const Mark& mark) const;
  Journey& journey(EventId sent) { return journeys_.at({sent.device, sent.sequence}); }
  std::int64_t moment_of(const Event& fact, const Progress& device);
  void set_time(Event& fact);
  void set_time_of_send(Event& send, Progress& device);

  TraceSink& sink_;
  std::vector<Progress> devices_;
  std::vector<Event> facts_;
  bool started_ = false;
  Mark start_, begin_, end_;                         // of all runs, and of this one
  std::map<int, Launch> waves_;                      // by step
  std::map<int, Mark> joined_;                       // by step
  std::map<std::pair<int, int>, Journey> journeys_;  // by the id of the send event
};

}  // namespace ringattn::gpu
