#include <algorithm>
#include <array>
#include <string>

#include "visualizer/layout/ring_layout.h"
#include "visualizer/view/panels/device_card.h"
#include "visualizer/view/panels/device_cells.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"
#include "visualizer/view/panels/strategy_stage.h"

namespace ringattn::viz {

namespace {

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

// The place of a message: from the slot of its sender along the track to the slot in which it arrives. Results have no
// slots, and small rings no cards
Rect place_of(const RingLayout& layout, const Frame& frame, const Flight& flight, int track,
              const std::vector<DeviceCard>& cards) {
  if (!flight.is_block || cards.empty() || frame.settings.reduced_motion)
    return layout.flight(flight.from, flight.fraction, track);
  const Rect from = cards[static_cast<std::size_t>(flight.from)].in_use();
  const Rect& to = cards[static_cast<std::size_t>(flight.to)].incoming();
  if (from.empty() || to.empty()) return layout.flight(flight.from, flight.fraction, track);
  // A message that is not received yet stays before the card
  const double f = flight.fraction, land = flight.recv ? 1 - slide_share : 1;
  if (f < slide_share) return between(from, layout.flight(flight.from, 0, track), f / slide_share);
  if (f > land) return between(layout.flight(flight.from, 1, track), to, (f - land) / slide_share);
  return layout.flight(flight.from, (f - slide_share) / (land - slide_share), track);
}

// A message of the previous pass, when some devices are in the next one
bool has_left(const Frame& frame, const Flight& flight) {
  return frame.recording.pass_of(*flight.send) < frame.moment.pass;
}

void draw_flight(Canvas& canvas, const Frame& frame, const Flight& flight, const Rect& rect) {
  const Theme& theme = canvas.theme();
  const Color color = theme.of(flight.owner);
  if (has_left(frame, flight)) {
    canvas.disc(rect.centre(), 5, color);
  } else if (flight.is_block) {
    canvas.block(rect, flight.owner, 5);
  } else {
    // Results are outlined in the colour of the block that they are for
    canvas.fill(rect, mix(theme.panel, color, 0.25), 5);
    canvas.frame(rect, color, 2, 5);
  }
  if (frame.selection.highlights(Target::block(flight.owner))) canvas.frame(rect.inset(-3), theme.ink, 2, 7);
  canvas.element(rect, Target::block(flight.owner), flight.send->begin->id,
                 block_label(flight.what, flight.owner) + " from " + std::to_string(flight.from) + " to " +
                     std::to_string(flight.to));
}

// A message that leaves a card or enters one is above the card. Of two messages that meet at a corner, one has a label
void draw_flights(Canvas& canvas, const RingLayout& layout, const Frame& frame, int tracks,
                  const std::vector<DeviceCard>& cards) {
  std::array<std::vector<Rect>, 3> labelled;  // by layer
  for (const Flight& flight : frame.moment.flights) {
    const bool leaves = flight.fraction<slide_share, enters = flight.fraction> 1 - slide_share;
    const std::size_t layers = !flight.is_block || cards.empty() ? 0 : leaves ? 1 : enters ? 2 : 0;
    for (std::size_t layer = 0; layer < layers; ++layer) canvas.enter_overlay();
    Rect rect = place_of(layout, frame, flight, flight.is_block ? 0 : tracks - 1, cards);
    // Its section of the track may contain another message
    if (has_left(frame, flight)) rect = around(rect.centre(), 10, 10);
    draw_flight(canvas, frame, flight, rect);
    const bool free = std::none_of(labelled[layers].begin(), labelled[layers].end(),
                                   [&](const Rect& other) { return other.overlaps(rect); });
    if (free && !has_left(frame, flight)) {
      const Theme& theme = canvas.theme();
      draw_block_label(canvas, rect.inset(2, 0), frame.recording, flight.what, flight.owner, true,
                       Face::small, flight.is_block ? theme.ink_on(theme.of(flight.owner)) : theme.ink);
      labelled[layers].push_back(rect);
    }
    for (std::size_t layer = 0; layer < layers; ++layer) canvas.leave_overlay();
  }
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

}  // namespace

void draw_ring_stage(Canvas& canvas, const Rect& rect, const Frame& frame) {
  if (!frame.recording.distribution().is_ring()) return draw_strategy_stage(canvas, rect, frame);
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
  std::vector<DeviceCard> cards;
  if (frame.recording.devices() > max_cards)
    draw_device_cells(canvas, layout, frame);
  else
    for (int device = 0; device < frame.recording.devices(); ++device)
      cards.emplace_back(canvas, frame, device, layout.cards()[static_cast<std::size_t>(device)]);
  for (DeviceCard& card : cards) card.draw();
  draw_middle(canvas, layout.middle(), frame);
  draw_flights(canvas, layout, frame, tracks, cards);
}

}  // namespace ringattn::viz
