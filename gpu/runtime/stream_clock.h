#pragma once

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "gpu/runtime/stream.h"
#include "reference/trace/event.h"

namespace ringattn::gpu {

// Gives trace events of runs on the GPU the wall times at which the GPU did the work.
//
// The host enqueues the whole schedule and waits for nothing, so a recorder emits its events long before the work that
// they describe has started: the host clock says nothing about that work. Instead,
//
//   1. while work is enqueued, CUDA events are recorded on the streams around it, and write() keeps the trace events;
//   2. when the streams have finished, flush() reads the CUDA events, sets the wall time w of each trace event, and
//      passes all of them on to the sink in their original order.
//
//   host            record ... record │ wait │ flush
//   compute stream  begin_ │ kernel of step 0 │ kernel of step 1 │ ... │ end_
//                          ^ begins           ^ ends    compute_events(step)
//   copy stream            │ message │
//                                    ^ arrives          arrival(send event)
//   accumulate stream                    │ sum │
//                                              ^        accumulated(step)
//
//   trace event             wall time
//   compute begin, end      compute_events(step).begins, .ends: all devices share one kernel
//   merge, grad_hop         accumulated(step)
//   send begin              compute_events(step).begins: the message leaves beside this kernel, or right before or after it
//   send end, recv          the arrival of the message; recv not before the device reached it
//   run begin, end          begin_, end_
//   finalize, free          end_
//   others                  the time of the device's previous event
//
// Times of a device never decrease. CUDA measures from start_ of the first run, so that all runs of a trace share one
// time axis; with several processes, epoch_ moves it to their common clock.
class StreamClock : public TraceSink {
 public:
  // The kernel of a step, for all devices of this process
  struct Launch {
    CudaEvent begins, ends;
  };

  // _now_: reads the common clock of all processes, in nanoseconds; null: there is one process, and time 0 is the begin
  // of the first run
  StreamClock(TraceSink& sink, int devices, std::function<std::int64_t()> now = {});

  // Marks the begin of a run on _stream_
  void start(Stream& stream);

  // CUDA events for the code that enqueues the work to record
  Launch& compute_events(int step) { return compute_events_[step]; }
  CudaEvent& accumulated(int step) { return joined_[step]; }
  CudaEvent& arrival(EventId sent) { return message_times_[{sent.device, sent.sequence}].arrives; }

  // The message _sent_ by another process travels in the same NCCL group as the message _left_ of this process, and
  // gets its times
  void pair_with_send(EventId sent, EventId left) { paired_sends_[{sent.device, sent.sequence}] = left; }

  void write(const Event& event) override { events_.push_back(event); }

  // Marks the end of a run on _last_, the stream that waits for all others. Once it has finished, flush() passes the
  // events on
  void end(Stream& last) { last.record(end_); }
  void flush();

 private:
  struct MessageTimes {
    CudaEvent arrives;
    std::int64_t began = 0, arrived = 0;  // wall nanoseconds
  };
  // The times of a device so far; wall nanoseconds
  struct Progress {
    std::int64_t now = 0, idle_since = 0;
    Event* sent = nullptr;  // the end event of the last send
  };

  std::int64_t read(const CudaEvent& event) const;
  MessageTimes& times_of(EventId sent);
  std::int64_t time_of(const Event& event, const Progress& device);
  void set_time(Event& event);
  void set_time_of_send(Event& send, Progress& device);

  TraceSink& sink_;
  std::function<std::int64_t()> now_;
  std::int64_t epoch_ = 0;  // wall nanoseconds of start_
  std::vector<Progress> devices_;
  std::vector<Event> events_;
  bool started_ = false;
  CudaEvent start_, begin_, end_;                              // of all runs, and of this one
  std::map<int, Launch> compute_events_;                       // by step
  std::map<int, CudaEvent> joined_;                            // by step
  std::map<std::pair<int, int>, MessageTimes> message_times_;  // by the id of the send event
  std::map<std::pair<int, int>, EventId> paired_sends_;  // likewise, of messages that other processes sent
};

}  // namespace ringattn::gpu
