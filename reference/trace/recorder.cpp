#include "reference/trace/recorder.h"

#include <algorithm>

namespace ringattn {

namespace {

std::int64_t nanoseconds(WallClock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

}  // namespace

std::int64_t Recorder::wall(WallClock::time_point moment) const { return nanoseconds(moment - trace_began_); }

// The message that brought the block or results of _owner_; if there is none, the latest message
EventId Recorder::arrival_of(int owner) const {
  const auto found = received_.find(owner);
  return found == received_.end() ? last_recv_ : found->second;
}

Event Recorder::event(EventKind kind, EventPhase phase, EventLane lane, int step) {
  Event event;
  event.id = {device_, sequence_++};
  event.kind = kind, event.phase = phase, event.lane = lane, event.step = step;
  event.t = t_, event.w = wall(WallClock::now());
  return event;
}

void Recorder::begin(Event& open, Event event) {
  open = event;
  emit(open);
}

void Recorder::end(Event& open, double t) {
  open.phase = EventPhase::end;
  open.t = t, open.w = wall(WallClock::now());
  emit(open);
}

void Recorder::begin_run(std::string_view pass) {
  pass_ = pass;
  if (!enabled() || open_runs_++ > 0) return;
  received_.clear();
  Event run = event(EventKind::run, EventPhase::begin, EventLane::compute, -1);
  run.what = pass;
  begin(run_, run);
}

void Recorder::end_run() {
  if (enabled() && --open_runs_ == 0) end(run_, t_);
}

void Recorder::record_alloc(std::string_view what, std::int64_t bytes) {
  if (!enabled()) return;
  Event alloc = event(EventKind::alloc, EventPhase::point, EventLane::memory, -1);
  alloc.what = what, alloc.bytes = bytes;
  emit(alloc);
}

void Recorder::record_free(std::string_view what, std::int64_t bytes) {
  if (!enabled()) return;
  Event free = event(EventKind::free, EventPhase::point, EventLane::memory, -1);
  free.what = what, free.bytes = bytes;
  emit(free);
}

void Recorder::begin_compute(int step, int owner, std::string_view mask_class, std::int64_t live_pairs) {
  live_pairs_ = live_pairs;
  if (!enabled()) return;
  Event compute = event(EventKind::compute, EventPhase::begin, EventLane::compute, step);
  compute.owner = owner, compute.mask_class = mask_class, compute.live_pairs = live_pairs;
  compute.cause[0] = arrival_of(owner);
  begin(compute_, compute);
}

void Recorder::end_compute() {
  t_ += cost_.ns_per_pair_of(pass_) * static_cast<double>(live_pairs_);
  if (enabled()) end(compute_, t_);
}

void Recorder::record_row(int step, int owner, std::shared_ptr<const RowUpdate> update) {
  if (!enabled()) return;
  Event row = event(EventKind::row, EventPhase::point, EventLane::compute, step);
  row.owner = owner, row.row = std::move(update);
  emit(row);
}

void Recorder::begin_wait(int step, std::string_view why) {
  if (!enabled()) return;
  Event wait = event(EventKind::wait, EventPhase::begin, EventLane::wait, step);
  wait.why = why;
  begin(wait_, wait);
  wait_begin_ = wait;
}

void Recorder::end_wait(double until_t, EventId cause) {
  t_ = std::max(t_, until_t);
  if (!enabled()) return;
  wait_.cause[0] = cause;
  end(wait_, t_);
}

MessageTiming Recorder::begin_send(int step, int peer, int owner, std::string_view what, std::int64_t bytes) {
  const OutgoingLink link = cost_.link_between(device_, peer);
  LinkTimes& times = links_[static_cast<std::size_t>(sending_link_ = link.number)];

  // The transfer starts when both the device and the link are ready
  const double began = std::max(t_, times.free);
  times.free = began + link.transfer_ns(bytes);

  // Messages arrive in order, even if the link has become faster in the meantime
  const double latency = link.latency_ns(), first = std::max(began + latency, times.last_arrival);
  times.last_arrival = std::max(times.free + latency, first);
  if (!enabled()) return {{}, began, first, times.last_arrival, {}, {}};

  Event send = event(EventKind::send, EventPhase::begin, EventLane::send, step);
  send.t = began;
  send.peer = peer, send.owner = owner, send.what = what, send.bytes = bytes;
  begin(send_, send);
  return {send.id, began, first, times.last_arrival, WallClock::now(), {}};
}

void Recorder::end_send() {
  if (enabled()) end(send_, links_[static_cast<std::size_t>(sending_link_)].free);
}

void Recorder::record_recv(int step, int peer, int owner, std::string_view what, std::int64_t bytes,
                           const MessageTiming& timing) {
  if (!enabled()) return;
  Event recv = event(EventKind::recv, EventPhase::begin, EventLane::recv, step);
  recv.peer = peer, recv.owner = owner, recv.what = what, recv.bytes = bytes;
  recv.cause[0] = timing.sent;

  // Exposed: the part of the transfer during which this device was waiting for the message
  recv.transfer_t = timing.arrives_t - timing.began_t;
  recv.exposed_t = std::max(0.0, timing.arrives_t - std::max(timing.began_t, wait_begin_.t));
  recv.transfer_w = nanoseconds(timing.arrives_w - timing.began_w);
  recv.exposed_w =
      std::max<std::int64_t>(0, wall(timing.arrives_w) - std::max(wall(timing.began_w), wait_begin_.w));

  // The recv span starts with the first byte: not before the send, and not before the end of the previous message
  recv.t = timing.begins_to_arrive_t;
  emit(recv);
  end(recv, timing.arrives_t);
  last_recv_ = received_[owner] = recv.id;
}

void Recorder::record_accumulation(EventKind merge_or_grad_hop, int step, int owner) {
  if (!enabled()) return;
  Event accumulation = event(merge_or_grad_hop, EventPhase::point, EventLane::compute, step);
  accumulation.owner = owner, accumulation.cause[0] = arrival_of(owner);
  emit(accumulation);
}

void Recorder::record_finalize() {
  if (enabled() && open_runs_ == 1)
    emit(event(EventKind::finalize, EventPhase::point, EventLane::compute, -1));
}

Recorders make_recorders(TraceSink& sink, int devices, const CostModel& cost, WallClock::time_point began) {
  return make_recorders(sink, std::vector<CostModel>(static_cast<std::size_t>(devices), cost), began);
}

Recorders make_recorders(TraceSink& sink, const std::vector<CostModel>& costs, WallClock::time_point began) {
  Recorders recorders;
  for (const CostModel& cost : costs)
    recorders.emplace_back(sink, static_cast<int>(recorders.size()), cost, began);
  return recorders;
}

}  // namespace ringattn
