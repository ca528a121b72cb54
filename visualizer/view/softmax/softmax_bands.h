#pragma once

#include "visualizer/model/pictures/softmax_picture.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// The common input of the bands of the softmax microscope, and the columns on which they are aligned.
struct SoftmaxView {
  Canvas& canvas;
  const Frame& frame;
  const SoftmaxPicture& picture;
  AbsorbPhases phases;
  float label_w, number_w;

  // A number appears when its phase is almost over
  static bool over(double phase) { return phase >= 0.9; }

  struct Columns {
    Rect label, main, number;
  };
  Columns columns(Rect band) const {
    Columns columns;
    columns.label = band.take_left(label_w, 8);
    columns.number = band.take_right(number_w, 10);
    columns.main = band;
    return columns;
  }
  // The number of elements of O that fit; an element has the same place in all bands
  int components(const Rect& main) const {
    return std::min(static_cast<int>(picture.row_update().O_after.size()), static_cast<int>(main.w / 22));
  }
  Rect component(const Rect& main, int d) const {
    const float w = std::min(main.w / static_cast<float>(components(main)), 220.f);
    return {main.x + w * static_cast<float>(d), main.y, w, main.h};
  }

  // The number of outputs O / l until now: that of the block in progress appears when it is absorbed
  std::size_t shown_outputs() const { return picture.normalized_outputs.size() - (over(phases.add) ? 0 : 1); }

  void label(const Rect& rect, std::string longer, std::string shorter) const {
    canvas.fitting_text(rect, {std::move(longer), std::move(shorter)}, Face::small, canvas.theme().faint_ink);
  }
  // The shown event as a target
  Target target() const { return Target::event(picture.shown->id.device, picture.shown->id.sequence); }
  void element(const Rect& rect, std::string text) const {
    canvas.element(rect, target(), picture.shown->id, std::move(text));
  }
};

// A part of the sum l in the colour of its block, or of no block for a sink
void draw_contribution(const SoftmaxView& view, const Rect& segment, const Contribution& part, float radius,
                       std::string label);

// The bands, from the top of the microscope to its bottom
void draw_scores(const SoftmaxView& view, const Rect& band);
void draw_weights(const SoftmaxView& view, const Rect& band);  // instead of the scores, if states are merged
void draw_sum(const SoftmaxView& view, const Rect& band);
void draw_alpha(const SoftmaxView& view, const Rect& band);
void draw_output(const SoftmaxView& view, const Rect& band);
void draw_normalized_output(const SoftmaxView& view, const Rect& band);
void draw_formulas(const SoftmaxView& view, const Rect& band);

}  // namespace ringattn::viz
