#pragma once

#include <array>
#include <chrono>
#include <map>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

using WallClock = std::chrono::steady_clock;

// Times of a message, carried along with it for the receiver's recv event.
struct MessageTiming {
  EventId sent;                     // the send event
  double began_t = 0;               // start of the transfer, virtual ns
  double begins_to_arrive_t = 0;    // arrival of the first byte, virtual ns
  double arrives_t = 0;             // arrival of the last byte, virtual ns
  WallClock::time_point began_w;    // start of the transfer, set by the sender
  WallClock::time_point arrives_w;  // end of the transfer, set by the link
};

// Records the events of one device: assigns ids and times, and passes the events to a sink. Without a sink it only
// keeps the virtual clock.
//
// Each device has a virtual clock t, which depends on the cost model only and makes traces reproducible:
//   compute   t += visible pairs x ns_per_pair of the pass
//   send      starts at s = max(t, time at which its link is free); that link is busy for bytes / bandwidth
//   receive   the message arrives at s + bytes / bandwidth + latency
//   wait      t = max(t, time of the awaited event)
class Recorder {
 public:
  Recorder() = default;
  Recorder(TraceSink& sink, int device, const CostModel& cost, WallClock::time_point trace_began)
      : sink_(&sink), device_(device), cost_(cost), trace_began_(trace_began) {}
  Recorder(int device, const CostModel& cost) : device_(device), cost_(cost) {}

  bool enabled() const { return sink_ != nullptr; }
  double now() const { return t_; }

  // Changes the cost model from now on: a link may become slower during a run
  void set_cost(const CostModel& cost) { cost_ = cost; }

  // _pass_: "forward" or "backward". Runs may nest, if a device runs several programs in one pass: the outermost one is
  // recorded
  void begin_run(std::string_view pass);
  void end_run();
  void record_alloc(std::string_view what, std::int64_t bytes);
  void record_free(std::string_view what, std::int64_t bytes);

  void begin_compute(int step, int owner, std::string_view mask_class, std::int64_t live_pairs);
  void end_compute();
  void record_row(int step, int owner, std::shared_ptr<const RowUpdate> row);

  void begin_wait(int step, std::string_view why);
  void end_wait(double until_t, EventId cause = {});

  // The link starts to transfer a message. The result is sent along with the message
  MessageTiming begin_send(int step, int peer, int owner, std::string_view what, std::int64_t bytes);
  void end_send();
  void record_recv(int step, int peer, int owner, std::string_view what, std::int64_t bytes,
                   const MessageTiming& timing);

  void record_accumulation(EventKind merge_or_grad_hop, int step, int owner);
  void record_finalize();

 private:
  Event event(EventKind kind, EventPhase phase, EventLane lane, int step);
  void begin(Event& open, Event event);
  void end(Event& open, double t);
  void emit(Event event) { sink_->write(event); }
  std::int64_t wall(WallClock::time_point moment) const;
  EventId arrival_of(int owner) const;

  TraceSink* sink_ = nullptr;
  int device_ = 0;
  CostModel cost_;
  WallClock::time_point trace_began_{};

  std::string_view pass_ = "forward";
  int open_runs_ = 0;
  std::int32_t sequence_ = 0;
  double t_ = 0;
  struct LinkTimes {
    double free = 0, last_arrival = 0;
  };
  std::array<LinkTimes, OutgoingLink::most> links_{};
  int sending_link_ = 0;         // the link of the latest send
  std::int64_t live_pairs_ = 0;  // of the latest compute
  EventId last_recv_;
  std::map<int, EventId> received_;    // the latest recv of this run, by the owner of its block
  Event run_, compute_, wait_, send_;  // the begin events of open spans
  Event wait_begin_;                   // the begin of the latest wait
};

// One recorder for each device. The same recorders may serve several runs in sequence, such as forward and backward;
// their clocks continue. A run without recorders is not traced.
using Recorders = std::vector<Recorder>;
Recorders make_recorders(TraceSink& sink, int devices, const CostModel& cost,
                         WallClock::time_point began = WallClock::now());

// The same with one cost model for each device and its outgoing link
Recorders make_recorders(TraceSink& sink, const std::vector<CostModel>& costs,
                         WallClock::time_point began = WallClock::now());

}  // namespace ringattn
