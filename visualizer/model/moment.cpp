#include "visualizer/model/moment.h"

#include <algorithm>
#include <array>
#include <map>

namespace ringattn::viz {

namespace {

double part(double t, double began, double ended) {
  return ended > began ? std::clamp((t - began) / (ended - began), 0.0, 1.0) : 1.0;
}

// Computes the moment of one trace at one time.
class MomentReader {
 public:
  MomentReader(const Recording& recording, double t, Clock clock)
      : recording_(recording), distribution_(recording.distribution()), t_(t), clock_(clock) {}

  Moment read() {
    const auto P = static_cast<std::size_t>(recording_.devices());
    moment_.t = t_, moment_.clock = clock_;
    moment_.devices.resize(P);
    moment_.grid = distribution_.grid();
    moment_.tiles.resize(moment_.grid.size());
    moment_.over = t_ >= recording_.duration(clock_);
    for (const Span& span : recording_.spans().all())
      if (begins_pass(span)) moment_.pass = std::max(moment_.pass, recording_.pass_of(span));
    for (int device = 0; device < recording_.devices(); ++device) read_device(device);
    read_flights();
    return std::move(moment_);
  }

 private:
  double began(const Span& span) const { return recording_.began(span, clock_); }
  double ended(const Span& span) const { return recording_.ended(span, clock_); }
  bool begun(const Span& span) const { return began(span) <= t_; }
  // Only a run event begins a pass: its messages may reach a device that is still in the previous pass
  bool begins_pass(const Span& span) const { return span.begin->kind == EventKind::run && begun(span); }
  bool over(const Span& span) const { return span.end && ended(span) <= t_; }

  // What happens on a device in its current pass, while its spans are read
  struct Reading {
    DeviceMoment& device;
    std::array<SlotContents, 2> residents = {};       // in a bidirectional ring one for each direction
    std::size_t in_use = 0;                           // index of a resident
    std::vector<SlotContents> kept = {};              // blocks that were in use and stay
    const Event *compute = nullptr, *recv = nullptr;  // the last ones
  };

  void read_device(int id) {
    Reading reading{moment_.devices[static_cast<std::size_t>(id)]};
    const std::span<const Span> spans = recording_.spans().of(id);
    int pass = 0;
    for (const Span& span : spans)
      if (begins_pass(span)) pass = std::max(pass, recording_.pass_of(span));
    const Event* compute = nullptr;  // before the span, in the pass that is shown
    for (const Span& span : spans) {
      if (span.begin->kind == EventKind::compute && recording_.pass_of(span) == moment_.pass)
        read_tile(span, compute), compute = span.begin;
      if (!begun(span)) continue;
      if (span.begin->kind == EventKind::alloc) reading.device.bytes += span.begin->bytes;
      if (span.begin->kind == EventKind::free) reading.device.bytes -= span.begin->bytes;
      if (recording_.pass_of(span) == pass) read_now(reading, span);
    }
    place_blocks(reading);
  }

  void read_now(Reading& reading, const Span& span) {
    const Event& event = *span.begin;
    DeviceMoment& device = reading.device;
    switch (event.kind) {
      case EventKind::run:
        reading.residents = {{{event.id.device, event.id, 0}, {event.id.device, event.id, 1}}};
        device.activity = over(span) ? Activity::finished : Activity::idle;
        break;
      case EventKind::compute:
        device.step = event.step, device.pieces = 0;
        if (distribution_.strategy() == Strategy::bidirectional)
          reading.in_use = static_cast<std::size_t>(distribution_.range_of(event, reading.compute));
        reading.compute = &event;
        if (over(span))
          device.absorbed.push_back({event.owner, event.step, &span});
        else
          device.activity = Activity::computing, device.doing = &span,
          device.fraction = part(t_, began(span), ended(span));
        break;
      case EventKind::wait:
        if (!over(span)) device.activity = Activity::waiting, device.doing = &span;
        break;
      case EventKind::send:
        // A send that has not ended when the trace ends
        if (!span.end && t_ >= recording_.duration(clock_))
          device.activity = Activity::waiting, device.doing = &span;
        break;
      case EventKind::recv:
        if (distribution_.exchanges_heads(event))
          device.pieces += over(span);
        else if (!is_result(event.what))
          read_arrival(reading, span);
        break;
      case EventKind::merge:
        read_merge(device, event);
        break;
      default:
        break;
    }
  }

  // A block that has arrived stays in a slot until the device has stopped waiting for it. That wait is the event before
  // the recv
  void read_arrival(Reading& reading, const Span& recv) {
    const Event& event = *recv.begin;
    const int range = distribution_.range_of_block(event, reading.recv);
    reading.recv = &event;
    if (!over(recv)) return;
    const Span* taken = recording_.spans().find({event.id.device, event.id.sequence - 1});
    const bool used = !taken || taken->begin->kind != EventKind::wait || over(*taken);
    SlotContents& resident = reading.residents[static_cast<std::size_t>(range)];
    if (!used) return reading.device.waiting.push_back({event.owner, event.id, range});
    if (distribution_.strategy() == Strategy::all_gather) reading.kept.push_back(resident);
    resident = {event.owner, event.id, range};
  }

  void read_merge(DeviceMoment& device, const Event& event) {
    const Span* recv = recording_.spans().find(event.cause[0]);
    if (distribution_.strategy() == Strategy::tree && recv && recv->begin->kind == EventKind::recv)
      device.merged.push_back(recv->begin);
  }

  // The block in use, and the others
  void place_blocks(Reading& reading) {
    DeviceMoment& device = reading.device;
    device.holds = reading.residents[reading.in_use];
    if (distribution_.strategy() == Strategy::bidirectional)
      device.waiting.insert(device.waiting.begin(), reading.residents[1 - reading.in_use]);
    device.waiting.insert(device.waiting.end(), reading.kept.begin(), reading.kept.end());
  }

  void read_tile(const Span& compute, const Event* before) {
    const Event& event = *compute.begin;
    const bool queries = recording_.header().queries_rotate();
    const int q_owner = queries ? event.owner : event.id.device,
              kv_owner = queries ? event.id.device : event.owner;
    TileProgress& tile =
        moment_.tiles[moment_.grid.index(q_owner, kv_owner, distribution_.range_of(event, before))];
    tile.compute = &compute;
    if (!begun(compute)) return;
    tile.state = over(compute) ? TileProgress::State::done : TileProgress::State::now;
    tile.fraction = over(compute) ? 1 : part(t_, began(compute), ended(compute));
  }

  void read_flights() {
    // The recv that belongs to each send
    std::map<std::pair<int, int>, const Span*> answers;
    for (const Span& span : recording_.spans().all())
      if (span.begin->kind == EventKind::recv && span.begin->cause[0])
        answers[{span.begin->cause[0].device, span.begin->cause[0].sequence}] = &span;

    for (const Span& send : recording_.spans().all()) {
      const Event& event = *send.begin;
      if (event.kind != EventKind::send || !begun(send)) continue;
      const auto answer = answers.find({event.id.device, event.id.sequence});
      const Span* recv = answer == answers.end() ? nullptr : answer->second;
      // Not received yet: the cost model gives the arrival time
      const double latency = clock_ == Clock::modelled ? recording_.header().cost.latency_ns() : 0;
      const double arrives = recv ? ended(*recv) : ended(send) + latency;
      if (recv && arrives <= t_) continue;
      moment_.flights.push_back({&send, recv, event.id.device, event.peer, event.owner, event.what,
                                 !is_result(event.what), distribution_.exchanges_heads(event),
                                 part(t_, began(send), arrives)});
    }
  }

  const Recording& recording_;
  const Distribution& distribution_;
  double t_;
  Clock clock_;
  Moment moment_;
};

}  // namespace

bool is_result(std::string_view what) {
  return what == "m l O" || what == "dK dV" || what == "dQ" || what == "out lse";
}

TileProgress Moment::whole_tile(int q_owner, int kv_owner) const {
  using State = TileProgress::State;
  TileProgress whole = tile(q_owner, kv_owner);
  double sum = 0;
  bool any = false, all = true;
  const auto began = [this](const TileProgress& part) {
    const Event& event = *part.compute->begin;
    return clock == Clock::modelled ? event.t : static_cast<double>(event.w);
  };
  for (int range = 0; range < grid.ranges; ++range) {
    const TileProgress& each = tile(q_owner, kv_owner, range);
    sum += each.fraction;
    any = any || each.state != State::not_yet, all = all && each.state == State::done;
    const bool later =
        each.state != State::not_yet && (whole.state == State::not_yet || began(each) >= began(whole));
    if (later) whole.compute = each.compute, whole.state = each.state;
  }
  whole.fraction = sum / grid.ranges;
  whole.state = all ? State::done : any ? State::now : State::not_yet;
  return whole;
}

Moment moment(const Recording& recording, double t, Clock clock) {
  return MomentReader(recording, t, clock).read();
}

RowHistory row_history(const Recording& recording, const Moment& moment, Index row) {
  RowHistory history;
  for (const Event& event : recording.events()) {
    if (event.kind != EventKind::row || !event.row) continue;
    if (event.row->row != row || event.row->batch != 0 || event.row->head != 0) continue;
    const double t = moment.clock == Clock::modelled ? event.t : static_cast<double>(event.w);
    const DeviceMoment& device = moment.devices[static_cast<std::size_t>(event.id.device)];
    const bool going_on = device.activity == Activity::computing && device.doing->begin->step == event.step;
    if (going_on && t >= moment.t)
      history.now = &event, history.fraction = device.fraction;
    else if (t <= moment.t)
      history.past.push_back(&event);
  }
  // Several steps have the same time if arithmetic takes none
  std::stable_sort(history.past.begin(), history.past.end(),
                   [](const Event* a, const Event* b) { return a->step < b->step; });
  return history;
}

}  // namespace ringattn::viz
