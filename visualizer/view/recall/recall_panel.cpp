#include <algorithm>
#include <string>

#include "visualizer/model/pictures/recall_picture.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

namespace {

// The text, in one box for each device that holds a part of it, and the query that searches it.
class RecallView {
 public:
  RecallView(Canvas& canvas, const Frame& frame, const RecallPicture& picture, Rect room)
      : canvas_(canvas),
        frame_(frame),
        theme_(canvas.theme()),
        picture_(picture),
        recording_(frame.recording),
        line_h_(canvas.line_height(Face::body)) {
    prompt_ = room.take_top(canvas.line_height(Face::heading) + 6, 14);
    state_ = room.take_bottom(line_h_ + 4, 12);
    boxes_ = room;
  }

  void draw() {
    draw_prompt();
    const int P = recording_.devices();
    const float w = (boxes_.w - gap * static_cast<float>(P - 1)) / static_cast<float>(P);
    if (w < 120) return;
    // The largest typeface in which the words of every device fit
    for (const Face face : {Face::title, Face::heading, Face::body}) {
      face_ = face;
      bool fit = true;
      for (int device = 0; device < P; ++device)
        fit = fit && words_h(device, w - 24) <= boxes_.h - heading_h() - 20;
      if (fit) break;
    }
    // Wider lines where there is room
    const float free = boxes_.h - boxes_h(w);
    line_gap_ += std::clamp(free / static_cast<float>(most_lines(w - 24) + 1), 0.f, 12.f);
    const float h = std::min(boxes_h(w), boxes_.h);
    Rect rest{boxes_.x, boxes_.y + (boxes_.h - h) / 3, boxes_.w, h};
    state_.y = std::min(state_.y, rest.bottom() + 16);
    for (int device = 0; device < P; ++device) draw_device(rest.take_left(w, gap), device);
    draw_state();
  }

 private:
  static constexpr float gap = 14;

  void draw_prompt() {
    Rect line = prompt_;
    const std::string prompt = recording_.prompt + " \xe2\x80\xa6";
    const Face face = canvas_.text_size(prompt, Face::heading).w + 260 <= line.w ? Face::heading : Face::body;
    canvas_.fitting_text(line.take_left(canvas_.text_size("prompt", Face::body).w + 2, 14), {"prompt"},
                         Face::body, theme_.faint_ink);
    canvas_.fitting_text(line.take_left(canvas_.text_size(prompt, face).w + 2, 14), {prompt}, face,
                         theme_.ink);
    if (!picture_.continuation.empty())
      canvas_.fitting_text(line, {picture_.continuation}, face, theme_.accent);
  }

  void draw_device(const Rect& box, int device) {
    const bool here = picture_.at == device && !frame_.moment.over;
    canvas_.fill(box, theme_.raised, 8);
    canvas_.frame(box, here ? theme_.accent : theme_.outline, here ? 2.5f : 1.f, 8);
    Rect inner = box.inset(12, 10);
    Rect heading = inner.take_top(heading_h() - 10, 10);
    const Rect chip = heading.take_left(46, 8);
    canvas_.block(chip, device, 4);
    canvas_.fitting_text(chip, {block_label("K", device)}, Face::small, theme_.ink_on(theme_.of(device)),
                         Align::centre);
    if (here)
      canvas_.fitting_text(heading.take_right(canvas_.text_size("q is here", Face::strong).w + 2, 6),
                           {"q is here"}, Face::strong, theme_.accent, Align::right);
    canvas_.fitting_text(heading, {"device " + std::to_string(device)}, Face::body, theme_.faint_ink);
    canvas_.element(box, Target::device(device), {},
                    "device " + std::to_string(device) + " holds a part of the text");

    for (const auto& [key, place] : words_of(device, inner))
      if (place.bottom() <= inner.bottom() + 1) draw_word(place, device, key);
  }

  float heading_h() const { return line_h_ + 14; }

  // The words of a device and their places, line by line
  std::vector<std::pair<Index, Rect>> words_of(int device, const Rect& room) const {
    std::vector<std::pair<Index, Rect>> places;
    float x = room.x, y = room.y;
    const float h = canvas_.line_height(face_) + 8;
    for (const Index key : recording_.key_rows(device)) {
      const float w = canvas_.text_size(recording_.words[static_cast<std::size_t>(key)], face_).w + 14;
      if (x + w > room.right() + 1 && x > room.x) x = room.x, y += h + line_gap_;
      places.emplace_back(key, Rect{x, y, std::min(w, room.w), h});
      x += w + 5;
    }
    return places;
  }
  float boxes_h(float width) const {
    float h = 0;
    for (int device = 0; device < recording_.devices(); ++device)
      h = std::max(h, heading_h() + words_h(device, width - 24) + 34);
    return h;
  }
  int most_lines(float width) const {
    int most = 1;
    for (int device = 0; device < recording_.devices(); ++device)
      most = std::max(most, static_cast<int>(words_h(device, width) / (canvas_.line_height(face_) + 8)));
    return most;
  }
  float words_h(int device, float width) const {
    const auto places = words_of(device, {0, 0, width, 0});
    return places.empty() ? 0 : places.back().second.bottom();
  }

  // A word is the brighter, the more weight it has among the words until now
  void draw_word(const Rect& place, int device, Index key) {
    const auto k = static_cast<std::size_t>(key);
    const double weight = picture_.weights[k];
    const Color color = picture_.met[k]
                            ? mix(theme_.panel, theme_.of(device), 0.12 + 0.88 * std::min(1.0, weight))
                            : theme_.raised;
    canvas_.fill(place, color, 5);
    if (!picture_.met[k]) canvas_.frame(place, theme_.outline, 1, 5);
    const bool agrees =
        std::find(picture_.agreeing.begin(), picture_.agreeing.end(), key) != picture_.agreeing.end();
    if (agrees) canvas_.fill({place.x + 6, place.bottom() - 5, place.w - 12, 3}, theme_.accent, 1);
    if (picture_.best == key) canvas_.frame(place.inset(-1), theme_.accent, 2, 6);
    canvas_.fitting_text(place, {recording_.words[k]}, face_,
                         picture_.met[k] ? theme_.ink_on(color) : theme_.faint_ink, Align::centre);
  }

  void draw_state() {
    if (!(picture_.l > 0)) {
      canvas_.fitting_text(state_, {"no word met yet: m = \xe2\x88\x92\xe2\x88\x9e, l = 0, O = 0"},
                           Face::body, theme_.faint_ink);
      return;
    }
    const auto best = static_cast<std::size_t>(picture_.best);
    const std::string found =
                          std::string(frame_.moment.over ? "largest weight: " : "largest weight so far: ") +
                          recording_.words[best] + ", weight " + rounded_number(picture_.weights[best]),
                      state = "m = " + rounded_number(picture_.m) + ",  l = " + rounded_number(picture_.l);
    Rect line = state_;
    canvas_.fitting_text(line.take_left(line.w / 2, 10), {state + ",  O: 128 numbers", state}, Face::body,
                         theme_.ink);
    canvas_.fitting_text(line, {found}, Face::body, theme_.accent, Align::right);
  }

  Canvas& canvas_;
  const Frame& frame_;
  const Theme& theme_;
  const RecallPicture& picture_;
  const Recording& recording_;
  float line_h_, line_gap_ = 6;
  Face face_ = Face::body;  // of the words
  Rect prompt_, state_, boxes_;
};

}  // namespace

void draw_recall(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const std::optional<RecallPicture> picture = recall_picture(frame.recording, frame.moment);
  const Rect room = draw_panel(canvas, rect, frame.heading("Recall"),
                               picture ? "underlined: words that agree with the end of the prompt" : "");
  if (!picture)
    canvas.paragraph(room, "This run has no prompt.", Face::body, canvas.theme().faint_ink);
  else if (room.h >= 150 && room.w >= 260)
    RecallView(canvas, frame, *picture, room).draw();
}

}  // namespace ringattn::viz
