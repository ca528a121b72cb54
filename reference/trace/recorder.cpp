#include "reference/trace/recorder.h"

#include <algorithm>

namespace ringattn {

namespace {

std::int64_t nanoseconds(WallClock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

}  // namespace

std::int64_t Recorder::wall(WallClock::time_point moment) const { return nanoseconds(moment - trace_began_); }

Event Recorder::event(EventKind kind, EventAt at, EventLane lane, int step) {
  Event event;
  event.id = {device_, sequence_++};
  event.kind = kind, event.at = at, event.lane = lane, event.step = step;
  event.t = t_, event.w = wall(WallClock::now());
  return event;
}

void Recorder::begin(Event& open, Event event) {
  open = event;
  emit(open);
}

void Recorder::end(Event& open, double t) {
  open.at = EventAt::end;
  open.t = t, open.w = wall(WallClock::now());
  emit(open);
}

void Recorder::run_begins(std::string_view what) {
  if (!on()) return;
  Event run = event(EventKind::run, EventAt::begin, EventLane::compute, -1);
  run.what = what;
  begin(run_, run);
}

void Recorder::run_ends() {
  if (on()) end(run_, t_);
}

void Recorder::holds(std::string_view what, std::int64_t bytes) {
  if (!on()) return;
  Event alloc = event(EventKind::alloc, EventAt::point, EventLane::memory, -1);
  alloc.what = what, alloc.bytes = bytes;
  emit(alloc);
}

void Recorder::releases(std::string_view what, std::int64_t bytes) {
  if (!on()) return;
  Event free = event(EventKind::free, EventAt::point, EventLane::memory, -1);
  free.what = what, free.bytes = bytes;
  emit(free);
}

void Recorder::compute_begins(int step, int owner, std::string_view mask_class, std::int64_t live_pairs) {
  if (!on()) return;
  Event compute = event(EventKind::compute, EventAt::begin, EventLane::compute, step);
  compute.owner = owner, compute.mask_class = mask_class, compute.live_pairs = live_pairs;
  compute.cause[0] = last_recv_;
  begin(compute_, compute);
}

void Recorder::compute_ends() {
  if (!on()) return;
  t_ += cost_.ns_per_pair * static_cast<double>(compute_.live_pairs);
  end(compute_, t_);
}

void Recorder::row(int step, int owner, std::shared_ptr<const RowFacts> facts) {
  if (!on()) return;
  Event row = event(EventKind::row, EventAt::point, EventLane::compute, step);
  row.owner = owner, row.row = std::move(facts);
  emit(row);
}

void Recorder::wait_begins(int step, std::string_view why) {
  if (!on()) return;
  Event wait = event(EventKind::wait, EventAt::begin, EventLane::wait, step);
  wait.why = why;
  begin(wait_, wait);
  wait_begin_ = wait;
}

void Recorder::wait_ends(double until_t, EventId cause) {
  if (!on()) return;
  t_ = std::max(t_, until_t);
  wait_.cause[0] = cause;
  end(wait_, t_);
}

Stamp Recorder::sends(int step, int peer, int owner, std::string_view what, std::int64_t bytes) {
  if (!on()) return {};
  Event send = event(EventKind::send, EventAt::begin, EventLane::send, step);
  send.t = std::max(t_, link_free_t_);
  send.peer = peer, send.owner = owner, send.what = what, send.bytes = bytes;
  begin(send_, send);
  link_free_t_ = send.t + cost_.transfer_ns(bytes);

  // Where the link has become faster, messages still do not overtake one another
  const double latency = cost_.latency_ns(), first = std::max(send.t + latency, last_arrival_t_);
  last_arrival_t_ = std::max(link_free_t_ + latency, first);
  return {send.id, send.t, first, last_arrival_t_, WallClock::now(), {}};
}

void Recorder::send_posted() {
  if (on()) end(send_, link_free_t_);
}

void Recorder::received(int step, int peer, int owner, std::string_view what, std::int64_t bytes,
                        const Stamp& stamp) {
  if (!on()) return;
  Event recv = event(EventKind::recv, EventAt::begin, EventLane::recv, step);
  recv.peer = peer, recv.owner = owner, recv.what = what, recv.bytes = bytes;
  recv.cause[0] = stamp.sent;

  // Exposed is the part of the journey during which this device waited for it
  recv.transfer_t = stamp.arrives_t - stamp.began_t;
  recv.exposed_t = std::max(0.0, stamp.arrives_t - std::max(stamp.began_t, wait_begin_.t));
  recv.transfer_w = nanoseconds(stamp.arrives_w - stamp.began_w);
  recv.exposed_w =
      std::max<std::int64_t>(0, wall(stamp.arrives_w) - std::max(wall(stamp.began_w), wait_begin_.w));

  // As exact as the link is: not before the send, nor before the end of the message before
  recv.t = stamp.begins_to_arrive_t;
  emit(recv);
  end(recv, stamp.arrives_t);
  last_recv_ = recv.id;
}

void Recorder::joined(EventKind merge_or_grad_hop, int step, int owner) {
  if (!on()) return;
  Event join = event(merge_or_grad_hop, EventAt::point, EventLane::compute, step);
  join.owner = owner, join.cause[0] = last_recv_;
  emit(join);
}

void Recorder::finalized() {
  if (on()) emit(event(EventKind::finalize, EventAt::point, EventLane::compute, -1));
}

Recorders recorders(TraceSink& sink, int devices, const CostModel& cost, WallClock::time_point began) {
  return recorders(sink, std::vector<CostModel>(static_cast<std::size_t>(devices), cost), began);
}

Recorders recorders(TraceSink& sink, const std::vector<CostModel>& costs, WallClock::time_point began) {
  Recorders pens;
  for (const CostModel& cost : costs) pens.emplace_back(sink, static_cast<int>(pens.size()), cost, began);
  return pens;
}

}  // namespace ringattn
