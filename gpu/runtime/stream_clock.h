#pragma once

#include <functional>
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
  // A kernel for all devices here
  struct Launch {
    CudaEvent begins, ends;
  };

  // _now_: what the clock of all processes shows, in nanoseconds; null: there is one process, and wall time
  // begins with the first run
  StreamClock(TraceSink& sink, int devices, std::function<std::int64_t()> now = {});

  // A run begins
  void start(Stream& stream);

  // Marks that whoever asks for the work records
  Launch& compute_events(int step) { return compute_events_[step]; }
  CudaEvent& accumulated(int step) { return joined_[step]; }
  CudaEvent& arrival(EventId sent) { return message_times_[{sent.device, sent.sequence}].arrives; }

  // A message that another process sent came while _left_ did, and by the same piece of work
  void pair_with_send(EventId sent, EventId left) { paired_sends_[{sent.device, sent.sequence}] = left; }

  void write(const Event& event) override { events_.push_back(event); }

  // A run ends where _last_ does, the stream that has to wait for all others; when it has, facts are handed
  // on
  void end(Stream& last) { last.record(end_); }
  void flush();

 private:
  struct MessageTimes {
    CudaEvent arrives;
    std::int64_t began = 0, arrived = 0;  // wall nanoseconds
  };
  // How far a device has come, by the facts that have their times; wall nanoseconds
  struct Progress {
    std::int64_t now = 0, idle_since = 0;
    Event* sent = nullptr;  // the end of the last send
  };

  std::int64_t read(const CudaEvent& event) const;
  MessageTimes& times_of(EventId sent);
  std::int64_t time_of(const Event& event, const Progress& device);
  void set_time(Event& event);
  void set_time_of_send(Event& send, Progress& device);

  TraceSink& sink_;
  std::function<std::int64_t()> now_;
  std::int64_t epoch_ = 0;  // when _start_ was
  std::vector<Progress> devices_;
  std::vector<Event> events_;
  bool started_ = false;
  CudaEvent start_, begin_, end_;                         // of all runs, and of this one
  std::map<int, Launch> compute_events_;                      // by step
  std::map<int, CudaEvent> joined_;                       // by step
  std::map<std::pair<int, int>, MessageTimes> message_times_;  // by the id of the send event
  std::map<std::pair<int, int>, EventId> paired_sends_;     // likewise, of messages that other processes sent
};

}  // namespace ringattn::gpu
