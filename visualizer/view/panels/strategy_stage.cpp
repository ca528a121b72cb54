#include "visualizer/view/panels/strategy_stage.h"

#include <algorithm>
#include <set>
#include <string>

#include "visualizer/layout/chord_layout.h"
#include "visualizer/view/panels/device_card.h"
#include "visualizer/view/panels/device_cells.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/strategy_text.h"

namespace ringattn::viz {

namespace {

constexpr std::size_t max_ways = 32;  // with more lines none could be followed

class StrategyStage {
 public:
  StrategyStage(Canvas& canvas, const Frame& frame, const Rect& room)
      : canvas_(canvas),
        frame_(frame),
        theme_(canvas.theme()),
        recording_(frame.recording),
        layout_(room, frame.recording.devices()) {}

  void draw() {
    draw_ways();
    if (recording_.devices() > max_cards)
      draw_device_cells(canvas_, layout_.devices(), frame_);
    else
      for (int device = 0; device < recording_.devices(); ++device)
        DeviceCard(canvas_, frame_, device, layout_.cards()[static_cast<std::size_t>(device)]).draw();
    for (const Flight& flight : frame_.moment.flights)
      if (!has_left(flight)) draw_way(flight);
    // Above the cards
    canvas_.enter_overlay();
    for (const Flight& flight : frame_.moment.flights) draw_flight(flight);
    for (std::size_t i = 0; i < frame_.moment.flights.size(); ++i) draw_label(i);
    canvas_.leave_overlay();
  }

 private:
  // A message of the previous pass, when some devices are in the next one
  bool has_left(const Flight& flight) const { return recording_.pass_of(*flight.send) < frame_.moment.pass; }

  // ---- The ways of the messages

  // Those of all messages of the pass, and the slow links of a live run
  void draw_ways() const {
    std::set<std::pair<int, int>> ways;
    for (const Span& span : recording_.spans().all())
      if (span.begin->kind == EventKind::send && recording_.pass_of(span) == frame_.moment.pass)
        ways.insert({span.begin->id.device, span.begin->peer});
    for (const auto& [from, to] : ways) {
      const bool slow = frame_.live && frame_.live->slowed.count(from) > 0;
      if (slow || ways.size() <= max_ways)
        canvas_.polyline(layout_.chord(from, to),
                         slow ? theme_.wrong : mix(theme_.panel, theme_.outline, 0.8), slow ? 3.f : 1.f);
    }
  }

  void draw_way(const Flight& flight) const {
    const std::vector<Point> chord = layout_.chord(flight.from, flight.to);
    const Color color = mix(theme_.panel, theme_.of(flight.owner), 0.7);
    canvas_.polyline(chord, color, 2);
    canvas_.arrow_head(chord.back(), chord.back() - chord[chord.size() - 2], 9, color);
  }

  // ---- The messages

  Rect place_of(const Flight& flight) const {
    const Rect rect = layout_.flight(flight.from, flight.to, flight.fraction);
    if (has_left(flight)) return around(rect.centre(), 10, 10);
    return flight.exchanges_heads ? around(rect.centre(), rect.w, rect.h * 0.72f) : rect;
  }

  void draw_flight(const Flight& flight) const {
    const Rect rect = place_of(flight);
    draw_shape(flight, rect);
    if (frame_.selection.highlights(Target::block(flight.owner)))
      canvas_.frame(rect.inset(-3), theme_.ink, 2, 7);
    canvas_.element(rect, Target::block(flight.owner), flight.send->begin->id,
                    message_text(recording_, *flight.send->begin));
  }

  // Blocks are filled, results outlined in the colour of the device that they are for. Messages of an exchange of heads
  // are lower, with square corners
  void draw_shape(const Flight& flight, const Rect& rect) const {
    const Color color = theme_.of(flight.owner);
    const float radius = flight.exchanges_heads ? 0.f : std::min(5.f, rect.h / 4);
    if (has_left(flight)) return canvas_.disc(rect.centre(), 5, color);
    if (flight.is_block) {
      canvas_.block(rect, flight.owner, radius);
      canvas_.frame(rect, theme_.panel, 1, radius);
    } else {
      canvas_.fill(rect, mix(theme_.panel, color, 0.25), radius);
      canvas_.frame(rect, color, 2, radius);
    }
  }

  // Messages cross: only one that no other covers has a label
  void draw_label(std::size_t i) const {
    const std::vector<Flight>& flights = frame_.moment.flights;
    const Flight& flight = flights[i];
    const Rect rect = place_of(flight);
    const bool covered = std::any_of(flights.begin() + static_cast<std::ptrdiff_t>(i) + 1, flights.end(),
                                     [&](const Flight& later) { return place_of(later).overlaps(rect); });
    if (covered || has_left(flight)) return;
    const Color color = theme_.of(flight.owner);
    draw_block_label(canvas_, rect.inset(2, 0), recording_, flight.what, flight.owner,
                     !flight.exchanges_heads, Face::small,
                     flight.is_block ? theme_.ink_on(color) : theme_.ink);
  }

  Canvas& canvas_;
  const Frame& frame_;
  const Theme& theme_;
  const Recording& recording_;
  ChordLayout layout_;
};

// The pass and what happens in it, and where messages go
void draw_phase(Canvas& canvas, Rect room, const Frame& frame, bool two) {
  const std::string& pass = frame.recording.header().passes[static_cast<std::size_t>(frame.moment.pass)];
  const std::string phase = phase_text(frame.recording, frame.moment);
  const Rect first = room.take_top(canvas.line_height(Face::heading), 4);
  canvas.fitting_text(first, {pass + ", " + phase, phase}, Face::heading, canvas.theme().ink, Align::centre);
  const RuleText rule = rule_text(frame.recording);
  if (two)
    canvas.fitting_text(room, {rule.whole, rule.brief}, Face::small, canvas.theme().faint_ink, Align::centre);
}

}  // namespace

void draw_strategy_stage(Canvas& canvas, const Rect& rect, const Frame& frame) {
  Rect room = draw_panel(canvas, rect, frame.heading("Devices"),
                         strategy_text(frame.recording) + ", " + frame.recording.header().layout);
  const float line = canvas.line_height(Face::heading), small = canvas.line_height(Face::small);
  const bool two = room.h >= 8 * line;
  if (room.h >= 5 * line) draw_phase(canvas, room.take_bottom(two ? line + 4 + small : line, 8), frame, two);
  StrategyStage(canvas, frame, room).draw();
}

}  // namespace ringattn::viz
