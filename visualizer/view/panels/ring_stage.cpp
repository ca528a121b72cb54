#include <algorithm>
#include <string>

#include "visualizer/layout/ring_layout.h"
#include "visualizer/view/panels/device_cells.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

namespace {

// The label of a block: the longest form that fits for all owners, so that all blocks have the same form
void draw_label(Canvas& canvas, const Rect& rect, const Recording& recording, std::string_view what,
                int owner, Face face, Color ink) {
  const int last = recording.devices() - 1;
  const auto fit = [&](const std::string& widest, Face each) {
    const Size size = canvas.text_size(widest, each);
    return size.w <= rect.w && size.h <= rect.h;
  };
  const bool whole = fit(block_label(what, last), Face::small);
  const std::string label = whole ? block_label(what, owner) : short_label(owner);
  const std::string widest = whole ? block_label(what, last) : short_label(last);
  canvas.fitting_text(rect, {label}, fit(widest, face) ? face : Face::small, ink, Align::centre);
}

// ---- One device -----------------------------------------------------------------

// The card of a device: its stationary block, the two slots of the travelling blocks, the absorbed blocks and the
// activity. A small card shows only the number and the resident block.
class Card {
 public:
  Card(Canvas& canvas, const Frame& frame, int device, const Rect& rect)
      : canvas_(canvas),
        frame_(frame),
        theme_(canvas.theme()),
        id_(device),
        now_(frame.moment.devices[static_cast<std::size_t>(device)]),
        rect_(rect),
        large_(rect.w >= 250 && rect.h >= 150) {}

  void draw() {
    const bool highlighted =
        frame_.selection.device == id_ || frame_.selection.highlights(Target::device(id_));
    const float radius = std::min(8.f, rect_.h / 8);
    canvas_.fill(rect_, theme_.raised, radius);
    const Color edge = is_stalled() ? theme_.wrong : highlighted ? theme_.accent : theme_.outline;
    canvas_.frame(rect_, edge, highlighted || is_stalled() ? 2.f : 1.f, radius);
    canvas_.element(rect_, Target::device(id_), now_.doing ? now_.doing->begin->id : EventId{},
                    "device " + std::to_string(id_));

    Rect room = rect_.inset(std::min(12.f, rect_.w / 14), std::min(10.f, rect_.h / 10));
    const float line = canvas_.line_height(large_ ? Face::heading : Face::strong);
    const Rect progress = room.take_bottom(std::clamp(room.h / 6, 3.f, 14.f), std::min(7.f, room.h / 10));
    draw_progress(progress);
    if (room.h > 2.3f * line)
      draw_heading(room.take_top(line, 5)), draw_badges(room);
    else
      draw_number(room);
    draw_blocks(room);
  }

 private:
  void draw_heading(Rect line) {
    const Face face = large_ ? Face::heading : Face::strong;
    const std::string name = std::to_string(id_);
    const Rect title = line.take_left(std::max(line.w * 0.45f, canvas_.text_size(name, face).w), 4);
    // The same form for all devices
    const std::string last = std::to_string(frame_.recording.devices() - 1);
    std::string prefix;
    for (const char* const each : {"dev ", "device "})
      if (canvas_.text_size(each + last, face).w <= title.w) prefix = each;
    canvas_.fitting_text(title, {prefix + name, name}, face, theme_.ink);
    draw_state(line);
  }

  // On a small card, the colour of the number shows the activity
  void draw_number(Rect& room) {
    const std::string name = std::to_string(id_);
    const float w = canvas_.text_size("00", Face::strong).w;
    if (room.w < 1.8f * w) return;
    const Color color = now_.activity == Activity::waiting    ? theme_.wait
                        : now_.activity == Activity::finished ? theme_.right
                                                              : theme_.ink;
    canvas_.fitting_text(room.take_left(w, 4), {name}, Face::strong, color);
  }

  bool is_stalled() const { return frame_.live && frame_.live->stalled.count(id_); }

  // The interventions in a live run, if there is room for a line
  void draw_badges(Rect& room) {
    const float line = canvas_.line_height(Face::small);
    if (!frame_.live || room.h < 2 * line + 24) return;
    const bool slowed = frame_.live->slowed.count(id_) > 0;
    std::string text = is_stalled() ? "stalled: S resumes" : "";
    if (slowed) text += std::string(text.empty() ? "" : ", ") + "slow link";
    if (text.empty()) return;
    canvas_.fitting_text(room.take_top(line, 3), {text, is_stalled() ? "stalled" : "slow link"}, Face::small,
                         theme_.wrong);
  }

  void draw_state(const Rect& place) {
    const Face face = large_ ? Face::body : Face::small;
    // A device of a live run that waits at its gate
    if (frame_.live && frame_.live->waiting.count(id_) && now_.activity != Activity::computing) {
      canvas_.fitting_text(place, {is_stalled() ? "stalled" : "waits for you: \xe2\x86\x92", "waits"}, face,
                           is_stalled() ? theme_.wrong : theme_.accent, Align::right);
      return;
    }
    switch (now_.activity) {
      case Activity::computing: {
        const std::string share = percent_text(now_.fraction);
        canvas_.fitting_text(place, {"computes " + share, share}, face, theme_.ink, Align::right);
        break;
      }
      case Activity::waiting: {
        const Event& wait = *now_.doing->begin;
        // The event after a wait names what the device waits for
        const Span* next = frame_.recording.spans().find({id_, wait.id.sequence + 1});
        const std::string message = next ? std::string(next->begin->what) : "a message";
        const bool sends = wait.kind == EventKind::send, blocked = sends && !frame_.live;
        const std::string what = blocked                     ? "blocked in its send"
                                 : sends                     ? "sends " + message
                                 : wait.why == "send_buffer" ? "waits for room"
                                                             : "waits for " + message;
        canvas_.fitting_text(place, {what, blocked ? "blocked" : "waits"}, face,
                             blocked ? theme_.wrong : theme_.faint_ink, Align::right);
        break;
      }
      case Activity::finished:
        canvas_.fitting_text(place, {"done"}, face, theme_.right, Align::right);
        break;
      case Activity::idle:
        break;
    }
  }

  // The stationary block on the left, the two slots of the travelling blocks on the right
  void draw_blocks(Rect room) {
    if (room.h < 8 || room.w < 16) return;
    const Recording& recording = frame_.recording;
    room = around(room.centre(), room.w, std::min(room.h, large_ ? 64.f : 46.f));
    const float gap = std::min(8.f, room.w / 16);
    if (room.w >= 92) {
      Rect place = room.take_left((room.w - 2 * gap) * 0.26f, gap);
      // The gradient grows with each block
      if (shows_gradients(place)) {
        const double done = static_cast<double>(now_.absorbed.size()) + now_.fraction * computes();
        draw_gradient(place.take_bottom(place.h / 2 - 2, 4),
                      recording.header().queries_rotate() ? "dK dV" : "dQ", id_, done / recording.devices());
      }
      draw_stationary(place, stationary_label(recording));
    }
    if (room.w < 44) return draw_slot(room, now_.holds, traveling_label(recording), true);
    Rect holds = room.take_left((room.w - gap) * (room.w < 70 ? 0.62f : 0.5f), gap);
    // The contribution of this device to the gradient of the block that it uses
    if (shows_gradients(holds) && now_.holds.owner >= 0)
      draw_gradient(holds.take_bottom(holds.h / 2 - 2, 4),
                    recording.header().queries_rotate() ? "dQ" : "dK dV", now_.holds.owner,
                    computes() ? now_.fraction : 0);
    draw_slot(holds, now_.holds, traveling_label(recording), true);
    draw_slot(room, now_.incoming, traveling_label(recording), false);
  }

  bool computes() const { return now_.activity == Activity::computing; }
  bool shows_gradients(const Rect& place) const {
    const TraceHeader& header = frame_.recording.header();
    return header.passes[static_cast<std::size_t>(frame_.moment.pass)] == "backward" &&
           place.h >= 2 * canvas_.line_height(Face::small) + 4;
  }

  // A result, outlined in the colour of its owner and filled as far as it is computed
  void draw_gradient(const Rect& rect, std::string_view what, int owner, double fraction) {
    const Color color = theme_.of(owner);
    canvas_.fill({rect.x, rect.y, rect.w * static_cast<float>(std::min(fraction, 1.0)), rect.h},
                 mix(theme_.raised, color, 0.35), 4);
    canvas_.frame(rect, color, 1.5f, 4);
    canvas_.fitting_text(rect.inset(2, 0), {block_label(what, owner)}, Face::small, theme_.ink,
                         Align::centre);
  }

  Face block_face() const { return large_ ? Face::heading : Face::body; }

  void draw_stationary(const Rect& rect, std::string_view what) {
    const Color color = theme_.of(id_);
    canvas_.fill(rect, mix(theme_.raised, color, 0.18), 4);
    canvas_.frame(rect, color, 2, 4);
    const bool fits = canvas_.text_size("Q", block_face()).h <= rect.h;
    canvas_.fitting_text(rect, {block_label(what, id_)}, fits ? block_face() : Face::small, theme_.ink,
                         Align::centre);
  }

  void draw_slot(const Rect& rect, const SlotContents& slot, std::string_view what, bool in_use) {
    const float radius = std::min(4.f, rect.h / 6);
    if (slot.owner < 0) {
      canvas_.frame(rect, mix(theme_.raised, theme_.outline, 0.8), 1, radius);
      return;
    }
    const Target target = Target::block(slot.owner);
    canvas_.block(rect, slot.owner, radius);
    const bool working = in_use && now_.activity == Activity::computing;
    if (working) canvas_.frame(rect.inset(-2), theme_.accent, 2, radius + 1);
    if (frame_.selection.highlights(target)) canvas_.frame(rect.inset(-3), theme_.ink, 2, radius + 2);
    const Color ink = theme_.ink_on(theme_.of(slot.owner));
    draw_label(canvas_, rect.inset(2, 0), frame_.recording, what, slot.owner, block_face(), ink);
    canvas_.element(rect, target, slot.since);
  }

  // One segment for each step, in the colour of its block
  void draw_progress(const Rect& rect) {
    const int steps = frame_.recording.devices();
    const float w = rect.w / static_cast<float>(steps);
    const float gap = std::min(2.f, w / 6);
    const auto segment = [&](int step) {
      return Rect{rect.x + w * static_cast<float>(step), rect.y, w - gap, rect.h};
    };
    // Outline the steps to come, or fill the background if the outlines would be too dense
    if (w >= 8)
      for (int step = 0; step < steps; ++step) canvas_.frame(segment(step), theme_.outline, 1, 2);
    else
      canvas_.fill(rect, mix(theme_.raised, theme_.outline, 0.5), 1);
    for (const AbsorbedBlock& each : now_.absorbed) draw_absorbed(segment(each.step), *each.compute, 1);
    if (now_.activity == Activity::computing) draw_absorbed(segment(now_.step), *now_.doing, now_.fraction);
  }

  void draw_absorbed(const Rect& segment, const Span& compute, double fraction) {
    const Event& event = *compute.begin;
    Rect filled = segment;
    filled.w *= static_cast<float>(fraction);
    if (event.mask_class == "skipped")
      canvas_.hatch(segment, theme_.of(event.owner), 4, 1);
    else
      canvas_.block(filled, event.owner, 2);
    canvas_.element(segment, Target::event(event.id.device, event.id.sequence), event.id);
  }

  Canvas& canvas_;
  const Frame& frame_;
  const Theme& theme_;
  int id_;
  const DeviceMoment& now_;
  Rect rect_;
  bool large_;  // in large type
};

// ---- The track ------------------------------------------------------------------

void draw_track(Canvas& canvas, const RingLayout& layout, const Frame& frame, int tracks) {
  const Theme& theme = canvas.theme();
  const int P = frame.recording.devices();
  for (int track = 0; track < tracks; ++track) {
    canvas.frame(layout.track(track), theme.outline, 1.5f, 16);
    for (int device = 0; device < P; ++device) {
      const RingLayout::Way way = layout.way(device, track);
      canvas.arrow_head(way.at + way.direction * 4.5f, way.direction, 9, theme.outline);
    }
  }
}

// The hop over a slow link of a live run
void draw_slow_links(Canvas& canvas, const RingLayout& layout, const Frame& frame) {
  if (!frame.live || frame.recording.devices() < 2) return;
  for (const int device : frame.live->slowed) {
    std::vector<Point> way;
    for (int part = 0; part <= 32; ++part) way.push_back(layout.flight(device, part / 32.0, 0).centre());
    canvas.polyline(way, canvas.theme().wrong, 4);
  }
}

void draw_flight(Canvas& canvas, const RingLayout& layout, const Frame& frame, const Flight& flight,
                 int tracks) {
  const int track = flight.is_block ? 0 : tracks - 1;
  Rect rect = layout.flight(flight.from, flight.fraction, track);
  const Theme& theme = canvas.theme();
  const Color color = theme.of(flight.owner);
  const std::string label = block_label(flight.what, flight.owner);
  // A message of the previous pass, when some devices are in the next one, is a dot: its section of the track may
  // contain another message
  const bool left = frame.recording.pass_of(*flight.send) < frame.moment.pass;
  if (left) rect = around(rect.centre(), 10, 10);
  if (left) {
    canvas.disc(rect.centre(), 5, color);
  } else if (flight.is_block) {
    canvas.block(rect, flight.owner, 5);
  } else {
    // Results are outlined in the colour of the block that they are for
    canvas.fill(rect, mix(theme.panel, color, 0.25), 5);
    canvas.frame(rect, color, 2, 5);
  }
  if (frame.selection.highlights(Target::block(flight.owner))) canvas.frame(rect.inset(-3), theme.ink, 2, 7);
  if (!left)
    draw_label(canvas, rect.inset(2, 0), frame.recording, flight.what, flight.owner, Face::small,
               flight.is_block ? theme.ink_on(color) : theme.ink);
  canvas.element(rect, Target::block(flight.owner), flight.send->begin->id,
                 label + " from " + std::to_string(flight.from) + " to " + std::to_string(flight.to));
}

// ---- The middle -----------------------------------------------------------------

// The range of the current steps of the devices
struct Steps {
  int first = -1, last = -1;  // -1: none has begun

  explicit Steps(const Moment& moment) {
    for (const DeviceMoment& device : moment.devices) {
      if (device.step < 0) continue;
      first = first < 0 ? device.step : std::min(first, device.step);
      last = std::max(last, device.step);
    }
  }
  bool same() const { return first == last; }
  std::string text() const {
    if (same()) return "step " + std::to_string(last);
    return "steps " + std::to_string(first) + " \xe2\x80\xa6 " + std::to_string(last);
  }
};

void draw_middle(Canvas& canvas, Rect room, const Frame& frame) {
  const float line_h = canvas.line_height(Face::heading), small_h = canvas.line_height(Face::small);
  if (room.w < 60 || room.h < line_h) return;
  const Theme& theme = canvas.theme();
  const Steps steps(frame.moment);
  const std::string blocks(traveling_label(frame.recording)), last = std::to_string(steps.last);
  const std::string& pass = frame.recording.header().passes[static_cast<std::size_t>(frame.moment.pass)];
  const std::string of = " (0 to " + std::to_string(frame.recording.devices() - 1) + ")";
  const bool begun = steps.last >= 0, two = begun && room.h >= line_h + 4 + small_h;

  // First line: the pass and the steps
  room = around(room.centre(), room.w, two ? line_h + 4 + small_h : line_h);
  const std::string now = begun ? steps.text() : "before the first step";
  canvas.fitting_text(
      room.take_top(line_h, 4),
      {pass + ", " + now + (begun && steps.same() ? of : ""), pass + ", " + now, now, begun ? last : "start"},
      Face::heading, theme.ink, Align::centre);
  if (!two) return;
  // Second line: the schedule
  const std::string from = steps.same() ? last : "t";
  const std::string in_step_t = steps.same() ? "" : " in step t";
  canvas.fitting_text(
      room,
      {steps.last == 0 ? "each device uses its own " + blocks
                       : "device r" + in_step_t + " uses the " + blocks + " of device r \xe2\x88\x92 " + from,
       steps.last == 0 ? "own block" : "from r \xe2\x88\x92 " + from},
      Face::small, theme.faint_ink, Align::centre);
}

constexpr int max_cards = 16;

}  // namespace

void draw_ring_stage(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const Rect room = draw_panel(
      canvas, rect, frame.heading("Ring"),
      frame.recording.header().layout + ", " + std::string(traveling_label(frame.recording)) +
          (frame.recording.header().queries_rotate() ? " travels" : " travel") +
          (frame.recording.devices() > max_cards ? ", clockwise from device 0 at the top left" : ""));
  // Results travel after the blocks if queries travel, and in every backward pass
  const TraceHeader& header = frame.recording.header();
  const int tracks = header.queries_rotate() || header.passes.size() > 1 ? 2 : 1;
  const RingLayout layout(room, frame.recording.devices(), tracks);

  if (frame.recording.devices() > 1 || tracks > 1) draw_track(canvas, layout, frame, tracks);
  draw_slow_links(canvas, layout, frame);
  if (frame.recording.devices() > max_cards) draw_device_cells(canvas, layout, frame);
  for (int device = 0; device < frame.recording.devices() && frame.recording.devices() <= max_cards; ++device)
    Card(canvas, frame, device, layout.cards()[static_cast<std::size_t>(device)]).draw();
  for (const Flight& flight : frame.moment.flights) draw_flight(canvas, layout, frame, flight, tracks);
  draw_middle(canvas, layout.middle(), frame);
}

}  // namespace ringattn::viz
