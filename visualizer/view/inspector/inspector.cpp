#include <algorithm>
#include <string>

#include "visualizer/view/inspector/inspector_page.h"

namespace ringattn::viz {

namespace {

// Draws a page: the formulas, and below them two columns of names and values.
class Sheet {
 public:
  Sheet(Canvas& canvas, const Frame& frame, const InspectorPage& page, const Rect& room)
      : canvas_(canvas), theme_(canvas.theme()), frame_(frame), page_(page), room_(room) {
    face_ = Face::body;
    measure();
    if (height() > room.h) face_ = Face::small, measure();
  }

  void draw() {
    Rect rest = room_;
    for (const std::string& formula : page_.formulas) draw_formula(rest, formula);
    rest.take_top(page_.formulas.empty() ? 0 : 4);
    for (const InspectorFact& fact : page_.facts) {
      const float h = height(fact);
      if (rest.h < h) return;
      draw_fact(rest.take_top(h, gap), fact);
    }
  }

 private:
  static constexpr float gap = 4;

  void measure() {
    names_w_ = 0;
    for (const InspectorFact& fact : page_.facts)
      names_w_ = std::max(names_w_, canvas_.text_size(fact.name, face_).w);
    names_w_ = std::min(names_w_ + 14, room_.w * 0.45f);
  }

  float height(const InspectorFact& fact) const {
    return canvas_.paragraph_height(room_.w - names_w_ - sign_w(fact.link), fact.value, face_);
  }
  float height() const {
    float sum = 4;
    for (const InspectorFact& fact : page_.facts) sum += height(fact) + gap;
    for (const std::string& formula : page_.formulas)
      sum += canvas_.paragraph_height(room_.w, formula, face_) + gap;
    return sum;
  }

  void draw_formula(Rect& rest, const std::string& formula) {
    const float h = canvas_.paragraph_height(rest.w, formula, face_);
    if (rest.h < h) return;
    const Rect place = rest.take_top(h, gap);
    canvas_.paragraph(place, formula, face_, theme_.ink);
    canvas_.element(place, Target::event(page_.event.device, page_.event.sequence), page_.event);
  }

  void draw_fact(Rect row, const InspectorFact& fact) {
    const Rect name = row.take_left(names_w_);
    canvas_.fitting_text({name.x, name.y, name.w, canvas_.line_height(face_)}, {fact.name}, face_,
                         theme_.faint_ink);
    if (fact.link) draw_link(row, fact);
    draw_sign(row, fact.link);
    canvas_.paragraph(row, fact.value, face_, fact.link ? theme_.accent : theme_.ink);
  }

  void draw_link(const Rect& row, const InspectorFact& fact) {
    const float w = std::min(row.w, sign_w(fact.link) + canvas_.text_size(fact.value, face_).w);
    if (frame_.selection.hovered == fact.link)
      canvas_.line({row.x, row.bottom()}, {row.x + w, row.bottom()}, theme_.accent, 1);
    canvas_.element({row.x, row.y, w, row.h}, fact.link, fact.event, fact.value);
  }

  // Blocks and devices are preceded by a square in their colour
  float sign_w(const Target& link) const {
    const bool colored = link.kind == Target::Kind::block || link.kind == Target::Kind::device;
    return colored ? canvas_.line_height(face_) : 0;
  }
  void draw_sign(Rect& row, const Target& link) {
    const Rect sign = row.take_left(sign_w(link)).inset(0, 2);
    if (sign.empty()) return;
    const Rect square{sign.x, sign.y, sign.h, sign.h};
    if (link.kind == Target::Kind::block)
      canvas_.block(square, link.a, 3);
    else
      canvas_.frame(square, theme_.of(link.a), 2, 3);
  }

  Canvas& canvas_;
  const Theme& theme_;
  const Frame& frame_;
  const InspectorPage& page_;
  Rect room_;
  Face face_;
  float names_w_ = 0;
};

}  // namespace

void draw_inspector(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const Selection& selection = frame.selection;
  InspectorPage page = inspector_page(frame, selection.pinned);
  const bool pinned = !page.title.empty();
  if (!pinned) page = inspector_page(frame, selection.hovered);
  if (page.title.empty()) {
    const Rect room = draw_panel(canvas, rect, "Inspector");
    canvas.paragraph(room, "Point at anything to see its numbers; click to keep them here.", Face::body,
                     canvas.theme().faint_ink);
    return;
  }
  const Rect room = draw_panel(canvas, rect, page.title, pinned ? "pinned" : "pointed at");
  Sheet(canvas, frame, page, room).draw();
}

}  // namespace ringattn::viz
