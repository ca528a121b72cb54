#include <array>
#include <string>

#include "visualizer/view/panels/labels.h"
#include "visualizer/view/softmax/softmax_bands.h"

namespace ringattn::viz {

// ---- The bands from top to bottom -----------------------------------------------------

namespace {

struct Band {
  void (*draw)(const SoftmaxView&, const Rect&);
  float least, most;
  int weight;  // bands with the least weight are left out first
  bool shown = false;
};

constexpr float band_gap = 10;

void draw_bands(const SoftmaxView& view, const Rect& room) {
  const float lines = room.w >= 560 ? 2 : 4;
  const float line_h = view.canvas.line_height(Face::small) + 2;
  const bool merged = view.picture.merged;
  std::array<Band, 6> bands{
      {{merged ? draw_weights : draw_scores, merged ? 74.f : 100.f, merged ? 110.f : 400.f, 6},
       {draw_sum, 22, 46, 5},
       {draw_alpha, line_h, 28, 2},
       {draw_output, 2 * line_h + 3, 76, 1},
       {draw_normalized_output, 44, 190, 4},
       {draw_formulas, lines * line_h, lines * 26, 3}}};
  // Show as many as fit, by descending weight
  float least = -band_gap, most = -band_gap;
  for (int weight = 6; weight > 0; --weight)
    for (Band& band : bands)
      if (band.weight == weight && (weight == 6 || least + band_gap + band.least <= room.h)) {
        band.shown = true;
        least += band_gap + band.least, most += band_gap + band.most;
      }

  const float part = std::clamp((room.h - least) / (most - least), 0.f, 1.f);
  Rect rest = room;
  for (const Band& band : bands)
    if (band.shown) band.draw(view, rest.take_top(band.least + (band.most - band.least) * part, band_gap));
}

std::string remark(const SoftmaxPicture& picture, int devices) {
  using State = SoftmaxPicture::State;
  if (picture.state == State::finished) return "all blocks absorbed: divide once, O / l";
  if (picture.state == State::neutral || picture.state == State::unrecorded) return {};
  return (picture.state == State::absorbing ? "absorbs block " : "absorbed block ") +
         std::to_string(picture.shown->owner) + ", " + std::to_string(picture.blocks) + " of " +
         std::to_string(devices);
}

// The state of a row of head 0
std::string before_first_key(const TraceHeader& header) {
  if (!header.sinks.empty())
    return "No key absorbed yet: the row begins with the sink of its head, m = " +
           number_text(header.sinks.front()) + ", l = 1, O = 0.";
  return "No key absorbed yet: m = \xe2\x88\x92\xe2\x88\x9e, l = 0, O = 0, the neutral element of merging.";
}

// Takes the lines that it needs from the top of the room
void draw_before_first_key(Canvas& canvas, Rect& room, const TraceHeader& header) {
  const std::string text = before_first_key(header);
  const Face face = canvas.text_size(text, Face::body).w <= room.w ? Face::body : Face::small;
  canvas.paragraph(room.take_top(canvas.paragraph_height(room.w, text, face), 10), text, face,
                   canvas.theme().faint_ink);
}

}  // namespace

void draw_softmax_microscope(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const Theme& theme = canvas.theme();
  const Index row = frame.selection.row;
  const SoftmaxPicture picture = softmax_picture(frame.recording, frame.moment, row, frame.beside);
  Rect room =
      draw_panel(canvas, rect, frame.heading("Online softmax") + " \xc2\xb7 row " + std::to_string(row),
                 remark(picture, frame.recording.devices()));
  if (picture.state == SoftmaxPicture::State::unrecorded) {
    canvas.paragraph(room, "The trace contains no events of row " + std::to_string(row) + ".", Face::body,
                     theme.faint_ink);
  } else {
    // Before the first key its bands are still empty
    const bool neutral = picture.state == SoftmaxPicture::State::neutral;
    if (neutral) draw_before_first_key(canvas, room, frame.recording.header());
    const bool wide = room.w >= 480;
    const AbsorbPhases now =
        neutral ? AbsorbPhases{0, 0, 0, 0} : absorb_phases(picture.fraction, frame.settings.reduced_motion);
    const SoftmaxView view{canvas, frame, picture, now, wide ? 76.f : 24.f, wide ? 124.f : room.w / 4};
    draw_bands(view, room);
  }
}

}  // namespace ringattn::viz
