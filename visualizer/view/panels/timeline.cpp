#include <cmath>
#include <string>

#include "visualizer/model/critical_path.h"
#include "visualizer/model/time_lanes.h"
#include "visualizer/model/time_use.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"
#include "visualizer/view/panels/strategy_text.h"

namespace ringattn::viz {

namespace {

// The activity of each device over time: arithmetic above, messages below, waits hatched.
class Timeline {
 public:
  Timeline(Canvas& canvas, const Frame& frame, Rect room)
      : canvas_(canvas), frame_(frame), theme_(canvas.theme()), recording_(frame.recording) {
    axis_ = room.take_bottom(canvas.line_height(Face::small) + 4, 2);
    names_ = room.take_left(room.w > 420 ? 72.f : 26.f, 6);
    if (room.w > 500) numbers_ = room.take_right(150, 10);
    lanes_ = room;
    end_ = std::max(recording_.duration(frame.settings.clock), frame.horizon);
    // A run that is blocked from its start has no duration
    if (!(end_ > 0)) end_ = 1;
    lane_h_ = std::min(72.f, lanes_.h / static_cast<float>(recording_.devices()));
    find_lanes();
  }

  void draw() {
    draw_axis();
    for (int device = 0; device < recording_.devices(); ++device) draw_device(device);
    if (frame_.settings.critical_path) draw_critical_path();
    draw_notes();
    draw_playhead();
    const Rect all{lanes_.x, lanes_.y, lanes_.w, axis_.bottom() - lanes_.y};
    canvas_.element({all.x, axis_.y, all.w, axis_.h}, Target::time());
  }

 private:
  // Times outside of the shown range are at its edges
  float x_of(double t) const {
    return lanes_.x + lanes_.w * static_cast<float>(frame_.settings.time.place(t / end_));
  }
  bool is_shown(double t) const { return frame_.settings.time.contains(t / end_); }
  double began(const Span& span) const { return recording_.began(span, frame_.settings.clock); }
  // A span that has not ended extends to the current time
  double ended(const Span& span) const {
    const double end = recording_.ended(span, frame_.settings.clock);
    return span.end || !span.has_duration() ? end : std::max(end, frame_.moment.t);
  }

  Rect band(int device) const {
    return Rect{lanes_.x, lanes_.y + lane_h_ * static_cast<float>(device), lanes_.w, lane_h_}.inset(
        0, lane_h_ > 14 ? 2.f : 0.5f);
  }

  // The lanes of a band: arithmetic and waits, messages sent, messages received. Messages that are on their way at the
  // same time are below each other, and take the height of the arithmetic; all devices have the same lanes
  void find_lanes() {
    int sends = 1, receives = 1;
    for (int device = 0; device < recording_.devices(); ++device) {
      sent_.push_back(time_lanes(recording_, device, EventKind::send, frame_.settings.clock));
      received_.push_back(time_lanes(recording_, device, EventKind::recv, frame_.settings.clock));
      sends = std::max(sends, sent_.back().count), receives = std::max(receives, received_.back().count);
    }
    sends_ = sends, receives_ = receives;
    send_share_ = std::min(0.11f * static_cast<float>(sends), 0.22f);
    receive_share_ = std::min(0.18f * static_cast<float>(receives), 0.36f);
  }
  Rect upper(Rect band) const { return band.take_top(band.h * (0.91f - send_share_ - receive_share_)); }
  Rect sends(const Rect& band, const Span& send) const {
    const float h = band.h * send_share_, below = band.h * (0.04f + receive_share_);
    return part({band.x, band.bottom() - below - h, band.w, h}, lane_of(send, sent_), sends_);
  }
  Rect receives(Rect band, const Span& recv) const {
    return part(band.take_bottom(band.h * receive_share_), lane_of(recv, received_), receives_);
  }
  int lane_of(const Span& span, const std::vector<TimeLanes>& lanes) const {
    const int device = span.begin->id.device;
    const auto number = &span - recording_.spans().of(device).data();
    return lanes[static_cast<std::size_t>(device)].of[static_cast<std::size_t>(number)];
  }
  static Rect part(const Rect& lanes, int lane, int count) {
    const float h = lanes.h / static_cast<float>(count);
    return {lanes.x, lanes.y + h * static_cast<float>(lane), lanes.w, count > 1 && h > 3 ? h - 1 : h};
  }

  Rect extent(const Span& span, const Rect& lane) const {
    const float left = x_of(began(span)), right = x_of(ended(span));
    return {left, lane.y, std::max(right - left, 0.f), lane.h};
  }

  void draw_device(int device) {
    const Rect band = this->band(device);
    const bool highlighted =
        frame_.selection.device == device || frame_.selection.highlights(Target::device(device));
    const float text_h = canvas_.line_height(Face::small);
    if (lane_h_ >= text_h || device % static_cast<int>(std::ceil(text_h / lane_h_)) == 0) {
      const Rect name = around({names_.centre().x, band.centre().y}, names_.w, std::max(band.h, text_h));
      const std::string number = std::to_string(device);
      canvas_.fitting_text(name, {"device " + number, number}, Face::small,
                           highlighted ? theme_.accent : theme_.faint_ink, Align::right);
      if (lane_h_ >= text_h) draw_numbers(device, band);
    }
    canvas_.fill(upper(band), mix(theme_.panel, theme_.paper, 0.6), 2);
    for (const Span& span : recording_.spans().of(device)) draw_span(span, band);
    canvas_.element({names_.x, band.y, names_.w, band.h}, Target::device(device));
  }

  void draw_span(const Span& span, const Rect& band) {
    const Event& event = *span.begin;
    const bool past = began(span) <= frame_.moment.t;
    if (!is_shown(began(span)) && !is_shown(ended(span)) && x_of(began(span)) == x_of(ended(span))) return;
    // Draw the span in its lane
    Rect rect;
    switch (event.kind) {
      case EventKind::compute:
        rect = extent(span, upper(band));
        draw_compute(rect, event, past);
        break;
      case EventKind::wait:
        rect = extent(span, upper(band));
        if (rect.w < 0.5f) return;
        draw_wait(rect, past);
        break;
      case EventKind::send:
        rect = extent(span, sends(band, span));
        if (rect.w < 0.5f) return;
        canvas_.frame(rect, past ? theme_.of(event.owner) : mix(theme_.panel, theme_.of(event.owner), 0.35));
        // The device waits in this send
        if (!span.end) draw_wait(extent(span, upper(band)), past);
        break;
      case EventKind::recv:
        rect = extent(span, receives(band, span));
        if (rect.w < 0.5f) return;
        canvas_.fill(rect, past ? theme_.of(event.owner) : mix(theme_.panel, theme_.of(event.owner), 0.35),
                     rect.h < 4 ? 0.f : 1.f);
        break;
      default:
        return;
    }
    // Highlight and register it
    const Target target = Target::event(event.id.device, event.id.sequence);
    if (frame_.selection.highlights(target) ||
        (event.owner >= 0 && frame_.selection.highlights(Target::block(event.owner))))
      canvas_.frame(rect.inset(-1), theme_.ink, 1.5f, 2);
    canvas_.element(rect, target, event.id);
  }

  // Hatched, or filled if the lane is too low for stripes
  void draw_wait(const Rect& rect, bool past) {
    if (rect.h >= 7)
      canvas_.hatch(rect, past ? theme_.wait : mix(theme_.panel, theme_.wait, 0.4), 5, 1);
    else
      canvas_.fill(rect, mix(theme_.panel, theme_.wait, past ? 0.3 : 0.15));
  }

  // A future span is an outline, or pale if outlines would be too dense
  void draw_compute(const Rect& rect, const Event& event, bool past) {
    if (rect.w < 0.5f) return;
    const Rect inner = rect.w > 3 ? rect.inset(0.5f, 0) : rect;
    if (!past && inner.h < 9) return canvas_.fill(inner, mix(theme_.panel, theme_.of(event.owner), 0.2));
    if (!past) {
      canvas_.frame(inner, mix(theme_.panel, theme_.of(event.owner), 0.6), 1, 2);
      return;
    }
    // Many low blocks are drawn much faster without round corners
    canvas_.block(inner, event.owner, inner.h < 9 ? 0.f : 2.f);
    if (inner.h >= canvas_.line_height(Face::small) - 3)
      canvas_.fitting_text(inner, block_labels(recording_, traveling_label(recording_), event.owner, true),
                           Face::small, theme_.ink_on(theme_.of(event.owner)), Align::centre);
  }

  void draw_numbers(int device, const Rect& band) {
    if (numbers_.empty()) return;
    const TimeUse use = time_use(recording_, device, frame_.settings.clock, frame_.moment.t);
    const Rect line{numbers_.x, band.y, numbers_.w, band.h};
    const std::string waits = "waits " + percent_text(use.waiting), busy = "busy " + percent_text(use.busy);
    if (use.open && !frame_.live)
      canvas_.fitting_text(line, {use.waiting > 0 ? "blocked, " + waits : "blocked", "blocked"}, Face::small,
                           theme_.wrong);
    else if (frame_.moment.t > 0)
      canvas_.fitting_text(line, {busy + ", " + waits, busy}, Face::small, theme_.faint_ink);
  }

  // An outline around each part, and lines to the next part
  void draw_critical_path() {
    const std::vector<PathPart> path = critical_path(recording_, frame_.settings.clock);
    Rect before;
    for (const PathPart& part : path) {
      const Rect band = this->band(part.span->begin->id.device);
      const Rect lane = part.span->begin->kind == EventKind::send ? sends(band, *part.span) : upper(band);
      const Rect outline = Rect{x_of(part.began), lane.y, x_of(part.ended) - x_of(part.began), lane.h};
      if (outline.w <= 0) continue;
      // Dark beside the bright line, so that it is visible on every colour
      canvas_.frame(outline.inset(-2.5f), theme_.paper, 1, 3);
      canvas_.frame(outline.inset(-1), theme_.ink, 2, 2);
      if (!before.empty() && before.y != outline.y)
        canvas_.line({outline.x, before.centre().y}, {outline.x, outline.centre().y}, theme_.ink, 2);
      canvas_.element(outline, Target::event(part.span->begin->id.device, part.span->begin->id.sequence),
                      part.span->begin->id, "critical path");
      before = outline.w > 0 ? outline : Rect{};
    }
  }

  // Ticks at 1, 2 or 5 times a power of ten, at least 110 points apart
  void draw_axis() {
    const double wanted = frame_.settings.time.width() * end_ * 110 / lanes_.w;
    double tick = std::pow(10, std::floor(std::log10(wanted)));
    for (const double factor : {2.0, 5.0, 10.0})
      if (tick < wanted) tick = std::pow(10, std::floor(std::log10(wanted))) * factor;
    const double last = frame_.settings.time.end * end_;
    for (double t = std::ceil(frame_.settings.time.begin * end_ / tick) * tick; t <= last; t += tick) {
      const float x = x_of(t);
      canvas_.line({x, lanes_.y}, {x, axis_.y + 3}, mix(theme_.panel, theme_.outline, 0.7));
      canvas_.fitting_text({x + 3, axis_.y, std::min(100.f, lanes_.right() - x - 3), axis_.h},
                           {time_text(t, tick)}, Face::small, theme_.faint_ink);
    }
  }

  // A flag for each note, with its text if there is room before the next one
  void draw_notes() {
    if (!frame_.notes) return;
    for (std::size_t i = 0; i < frame_.notes->size(); ++i) {
      const Note& note = (*frame_.notes)[i];
      if (!is_shown(std::min(note.t, end_))) continue;
      const float x = x_of(std::min(note.t, end_));
      const float next =
          i + 1 < frame_.notes->size() ? x_of(std::min((*frame_.notes)[i + 1].t, end_)) : lanes_.right();
      canvas_.line({x, lanes_.y}, {x, axis_.y}, theme_.right, 1.5f);
      canvas_.triangle({x, lanes_.y}, {x + 9, lanes_.y + 4}, {x, lanes_.y + 8}, theme_.right);
      const float h = canvas_.line_height(Face::small);
      canvas_.fitting_text({x + 4, axis_.y - h, next - x - 8, h}, {note.text}, Face::small, theme_.right);
    }
  }

  void draw_playhead() {
    if (!is_shown(std::min(frame_.moment.t, end_))) return;
    const float x = x_of(std::min(frame_.moment.t, end_));
    canvas_.line({x, lanes_.y - 4}, {x, axis_.y + 4}, theme_.accent, 2);
    canvas_.triangle({x - 6, lanes_.y - 8}, {x + 6, lanes_.y - 8}, {x, lanes_.y}, theme_.accent);
  }

  Canvas& canvas_;
  const Frame& frame_;
  const Theme& theme_;
  const Recording& recording_;
  Rect names_, lanes_, numbers_, axis_;
  double end_ = 1;
  float lane_h_ = 0;
  std::vector<TimeLanes> sent_, received_;    // by device
  int sends_ = 1, receives_ = 1;              // the most lanes of a device
  float send_share_ = 0, receive_share_ = 0;  // of the height of a band
};

}  // namespace

void draw_timeline(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const bool modelled = frame.settings.clock == Clock::modelled;
  const double t = frame.moment.t;
  const bool over = frame.recording.whole() && t >= frame.recording.duration(frame.settings.clock);
  std::string remark = modelled ? "modelled time" : "measured time";
  if (t > 0)
    remark += (over ? ", efficiency " : ", efficiency so far ") +
              percent_text(efficiency(frame.recording, frame.settings.clock, t));
  const Rect room = draw_panel(canvas, rect, frame.heading("Timeline"), remark);
  if (room.w < 120 || room.h < 40) return;
  Timeline(canvas, frame, room).draw();
}

}  // namespace ringattn::viz
