#include "visualizer/view/tile/tile_panel.h"

#include <algorithm>
#include <string>

#include "visualizer/view/panels/labels.h"

namespace ringattn::viz {

std::function<Color(double)> TileView::of_owner(int owner) const {
  const Color color = mix(theme().panel, theme().of(owner), 0.3);
  return [color](double) { return color; };
}

std::function<Color(double)> TileView::of_weight(double largest) const {
  const Color none = theme().raised, whole = theme().of(tile.owner);
  return [=](double weight) { return mix(none, whole, std::clamp(weight / largest, 0.0, 1.0)); };
}

std::function<Color(double)> TileView::of_signed(double largest) const {
  return [&colors = theme(), largest](double x) { return colors.of_number(x, largest); };
}

// ---- Arithmetic ---------------------------------------------------------------------

std::string in_product(double x) { return x < 0 ? '(' + rounded_number(x) + ')' : rounded_number(x); }

std::string subtracted(double x) {
  return x < 0 ? " + " + rounded_number(-x) : " \xe2\x88\x92 " + rounded_number(x);
}

std::string root_text(Index x) { return "\xe2\x88\x9a" + std::to_string(x); }

std::string sum_of_products(const Vector<double>& a, const Vector<double>& b) {
  std::string text;
  for (Index k = 0; k < a.size(); ++k)
    text += (k ? " + " : "") + in_product(a[k]) + " \xc2\xb7 " + in_product(b[k]);
  return text;
}

namespace {
constexpr float arithmetic_gap = 7;
}

float arithmetic_h(const Canvas& canvas, std::size_t lines) {
  const std::size_t rows = (lines + 1) / 2;  // of two columns
  return static_cast<float>(rows) * (canvas.line_height(Face::body) + arithmetic_gap);
}

void draw_arithmetic(Canvas& canvas, Rect room, const std::vector<Arithmetic>& lines) {
  const std::size_t left = (lines.size() + 1) / 2;
  const float height = canvas.line_height(Face::body), name_w = canvas.text_size("O/l ", Face::strong).w;
  Rect columns[] = {room.take_left((room.w - 24) / 2, 24), room};
  for (std::size_t i = 0; i < lines.size(); ++i) {
    Rect line = columns[i < left ? 0 : 1].take_top(height, arithmetic_gap);
    if (!lines[i].shown || line.h < height) continue;
    canvas.fitting_text(line.take_left(name_w), {lines[i].name}, Face::strong, canvas.theme().ink);
    // The longest form in the larger type, or in the smaller one
    for (const std::string& form : lines[i].forms) {
      const Face face = canvas.text_size(form, Face::body).w <= line.w ? Face::body : Face::small;
      if (canvas.text_size(form, face).w > line.w) continue;
      canvas.fitting_text(line, {form}, face, canvas.theme().ink);
      break;
    }
  }
}

// ---- The panel ----------------------------------------------------------------------

namespace {

// The query of the tile that is selected, otherwise the first
Index row_in_tile(const TileOperands& tile, Index selected) {
  const auto found = std::find(tile.queries.begin(), tile.queries.end(), selected);
  return found == tile.queries.end() ? 0 : found - tile.queries.begin();
}

void say(Canvas& canvas, const Rect& room, const char* sentence) {
  canvas.paragraph(room, sentence, Face::body, canvas.theme().faint_ink);
}

}  // namespace

void draw_tile(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const std::optional<TileOperands> tile =
      tile_operands(frame.recording, frame.moment, frame.selection.device);
  const std::string device = "device " + std::to_string(frame.selection.device);
  const std::string remark = tile ? "step " + std::to_string(tile->step) + ", " +
                                        block_label("Q", tile->device) + " and " +
                                        block_label("K V", tile->owner)
                                  : "";
  const Rect room = draw_panel(canvas, rect, frame.heading("One tile") + " \xc2\xb7 " + device, remark);
  if (!tile) return say(canvas, room, "No block yet, or the inputs of this run are unknown.");

  const TileView view{canvas, frame, *tile, row_in_tile(*tile, frame.selection.row)};
  if (frame.moment.pass == 0) {
    if (const std::optional<ForwardTile> forward = forward_tile(frame.recording, *tile))
      return draw_forward_tile(view, room, *forward);
  } else if (const std::optional<BackwardTile> backward = backward_tile(frame.recording, *tile)) {
    return draw_backward_tile(view, room, *backward);
  }
  say(canvas, room, "The trace has no row events of these queries, or the run has a fault.");
}

}  // namespace ringattn::viz
