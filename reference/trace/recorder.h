#pragma once

#include <chrono>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

using WallClock = std::chrono::steady_clock;

// What the receiver of a message learns about its journey.
struct MessageTiming {
  EventId sent;                     // the send event
  double began_t = 0;               // virtual nanoseconds
  double begins_to_arrive_t = 0;    // virtual nanoseconds
  double arrives_t = 0;             // virtual nanoseconds
  WallClock::time_point began_w;    // set by the sender
  WallClock::time_point arrives_w;  // set by the link
};

// The pen of one device: gives its events ids and times and hands them to the sink; does nothing without a
// sink. Virtual time: arithmetic adds live pairs x ns_per_pair; a message starts when sender and link are
// free and arrives after latency + bytes / bandwidth; a device that waits goes on at max(its own time, what
// it waited for).
class Recorder {
 public:
  Recorder() = default;
  Recorder(TraceSink& sink, int device, const CostModel& cost, WallClock::time_point trace_began)
      : sink_(&sink), device_(device), cost_(cost), trace_began_(trace_began) {}

  bool enabled() const { return sink_ != nullptr; }
  double now() const { return t_; }

  // The costs from now on: a link may become slower on the way
  void set_cost(const CostModel& cost) { cost_ = cost; }

  void begin_run(std::string_view what);  // "forward" or "backward"
  void end_run();
  void record_alloc(std::string_view what, std::int64_t bytes);     // alloc
  void record_free(std::string_view what, std::int64_t bytes);  // free

  void begin_compute(int step, int owner, std::string_view mask_class, std::int64_t live_pairs);
  void end_compute();
  void record_row(int step, int owner, std::shared_ptr<const RowUpdate> row);

  void begin_wait(int step, std::string_view why);
  void end_wait(double until_t, EventId cause = {});

  // A message of which the link is now busy; the timing travels with it
  MessageTiming begin_send(int step, int peer, int owner, std::string_view what, std::int64_t bytes);
  void end_send();
  void record_recv(int step, int peer, int owner, std::string_view what, std::int64_t bytes, const MessageTiming& timing);

  void record_accumulation(EventKind merge_or_grad_hop, int step, int owner);
  void record_finalize();

 private:
  Event event(EventKind kind, EventPhase phase, EventLane lane, int step);
  void begin(Event& open, Event event);
  void end(Event& open, double t);
  void emit(Event event) { sink_->write(event); }
  std::int64_t wall(WallClock::time_point moment) const;

  TraceSink* sink_ = nullptr;
  int device_ = 0;
  CostModel cost_;
  WallClock::time_point trace_began_{};

  std::int32_t sequence_ = 0;
  double t_ = 0, link_free_t_ = 0, last_arrival_t_ = 0;
  EventId last_recv_;
  Event run_, compute_, wait_, send_;  // begun and not yet ended
  Event wait_begin_;
};

// One pen for each device. They may serve several runs one after the other, forward and backward, and their
// clocks go on; without recorders a run writes nothing down.
using Recorders = std::vector<Recorder>;
Recorders make_recorders(TraceSink& sink, int devices, const CostModel& cost,
                    WallClock::time_point began = WallClock::now());

// The same where devices, and the links from them to the next, are not equally fast: a cost for each
Recorders make_recorders(TraceSink& sink, const std::vector<CostModel>& costs,
                    WallClock::time_point began = WallClock::now());

}  // namespace ringattn
