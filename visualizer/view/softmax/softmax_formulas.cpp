#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "visualizer/view/panels/labels.h"
#include "visualizer/view/softmax/softmax_bands.h"

namespace ringattn::viz {

namespace {

constexpr const char *alpha = "\xce\xb1", *beta = "\xce\xb2", *minus = " \xe2\x88\x92 ", *dot = " \xc2\xb7 ",
                     *sum = "\xce\xa3 ", *not_equal = " \xe2\x89\xa0 ";

// A part of a formula. A struck-out part belongs to the correct formula, and the run left it out.
struct Piece {
  std::string text;
  bool struck = false;
};
using Pieces = std::vector<Piece>;

// A formula as the run computed it, in letters and with its numbers.
struct Formula {
  std::string name;
  Pieces letters, numbers;
  std::string result;  // the shortest form
  bool shown = true;   // its part of the animation is over
};

Pieces operator+(Pieces a, const Pieces& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::string text_of(const Pieces& pieces) {
  std::string text;
  for (const Piece& piece : pieces)
    if (!piece.struck) text += piece.text;
  return text;
}

std::string n(double x) { return number_text(x); }
// " − 2.5", or " + 2.5" for a negative number
std::string less(double x) { return x < 0 ? " + " + n(-x) : minus + n(x); }

// ---- The formulas of the rules ------------------------------------------------------

Formula maximum_formula(const SoftmaxPicture& picture) {
  const RowUpdate& row = picture.row_update();
  const std::string result = " = " + n(row.m_after);
  if (picture.merged) return {"m", {{" = max(m, m of the other)"}}, {{result}}, result};
  double largest = -std::numeric_limits<double>::infinity();
  for (const double score : row.scores) largest = std::max(largest, score);
  const std::string both = "max(" + n(row.m_before) + ", " + n(largest) + ")";
  if (picture.update.rule == UpdateRule::without_maximum)
    return {"m", {{" = "}, {"max(m, S)", true}}, {{" = "}, {both, true}, {result}}, result};
  return {"m", {{" = max(m, S)"}}, {{" = " + both + result}}, result};
}

Formula factor_formula(const SoftmaxPicture& picture) {
  const RowUpdate& row = picture.row_update();
  const std::string result = " = " + n(row.alpha);
  return {alpha,
          {{std::string(" = exp(m old") + minus + "m)"}},
          {{" = exp(" + n(row.m_before) + less(row.m_after) + ")" + result}},
          result};
}

// alpha x + sum exp(S - m) [V] as the run computed it: _old_ is l or O, _of_keys_ follows the exponential
Pieces letters_of(UpdateRule rule, const std::string& old, const std::string& of_keys) {
  const std::string exponential = " " + old + " + " + sum + "exp(S", end = ")" + of_keys;
  switch (rule) {
    case UpdateRule::not_rescaled:
      return {{" = "}, {alpha, true}, {exponential + minus + "m" + end}};
    case UpdateRule::without_maximum:
      return {{std::string(" = ") + alpha + exponential}, {std::string(minus) + "m", true}, {end}};
    case UpdateRule::masked_as_visible:
      return {{std::string(" = ") + alpha + " " + old + " + " + beta + " " + old + " of the block"}};
    case UpdateRule::rounded_to_bf16:
      return {{std::string(" = bf16(") + alpha + exponential + minus + "m" + end + ")"}};
    default:
      return {{std::string(" = ") + alpha + exponential + minus + "m" + end}};
  }
}

Formula sum_formula(const SoftmaxPicture& picture) {
  const RowUpdate& row = picture.row_update();
  const Update& update = picture.update;
  const std::string factor = n(row.alpha) + dot, old = n(row.l_before), result = " = " + n(row.l_after);
  Pieces numbers{{" = " + factor + old + " + " + n(update.added) + result}};
  if (update.rule == UpdateRule::not_rescaled)
    numbers = {{" = "}, {factor, true}, {old + " + " + n(update.added) + result}};
  if (update.rule == UpdateRule::masked_as_visible)
    numbers = {{" = " + factor + old + " + 0" + dot + n(update.added) + result}};
  if (update.rule == UpdateRule::rounded_to_bf16)
    numbers = {{" = bf16(" + factor + old + " + " + n(update.added) + ")" + result}};
  if (update.rule == UpdateRule::unknown)
    numbers = {{" = " + n(row.l_after) + not_equal + factor + old + " + " + n(update.added)}};
  return {"l", letters_of(update.rule, "l", ""), numbers, result};
}

Formula output_formula(const SoftmaxPicture& picture) {
  const RowUpdate& row = picture.row_update();
  if (picture.state == SoftmaxPicture::State::finished)
    return {"O", {}, {{" / l : divide once, at the end"}}, " / l"};
  const std::string factor = n(row.alpha), rest = " O + " + std::string(sum) + "exp(S", end = ") V";
  Pieces numbers{{" = " + factor + rest + less(row.m_after) + end}};
  if (picture.update.rule == UpdateRule::not_rescaled)
    numbers = {{" = "}, {factor, true}, {rest + less(row.m_after) + end}};
  if (picture.update.rule == UpdateRule::without_maximum) numbers = {{" = " + factor + rest + end}};
  if (picture.update.rule == UpdateRule::masked_as_visible)
    numbers = {{" = " + factor + " O + 0" + dot + n(picture.update.added)}};
  return {"O", letters_of(picture.update.rule, "O", " V"), numbers, ""};
}

// ---- Drawing ------------------------------------------------------------------------

float width_of(const Canvas& canvas, const Pieces& pieces, Face face) {
  float width = 0;
  for (const Piece& piece : pieces) width += canvas.text_size(piece.text, face).w;
  return width;
}

void draw_pieces(Canvas& canvas, Rect place, const Pieces& pieces, Face face, Color ink) {
  for (const Piece& piece : pieces) {
    const Rect rect = place.take_left(canvas.text_size(piece.text, face).w);
    canvas.text(rect, piece.text, face, piece.struck ? canvas.theme().wrong : ink);
    if (piece.struck)
      canvas.line({rect.x - 1, rect.centre().y}, {rect.right() + 1, rect.centre().y}, canvas.theme().wrong,
                  2);
  }
}

void draw_formula(const SoftmaxView& view, Rect line, const Formula& formula, Face face) {
  Canvas& canvas = view.canvas;
  const Theme& theme = canvas.theme();
  const bool wrong = view.picture.update.rule != UpdateRule::rescaled;
  const Rect all = line;
  canvas.fitting_text(line.take_left(canvas.line_height(face)), {formula.name}, face, theme.ink);
  // The longest form that fits
  for (const Pieces& form : {formula.letters + formula.numbers, formula.numbers, Pieces{{formula.result}}}) {
    if (width_of(canvas, form, face) > line.w || canvas.line_height(face) > line.h + 1) continue;
    draw_pieces(canvas, line, form, face, wrong ? theme.ink : theme.faint_ink);
    break;
  }
  view.element(all, formula.name + text_of(formula.letters + formula.numbers));
}

}  // namespace

void draw_formulas(const SoftmaxView& view, const Rect& band) {
  const bool wide = band.w >= 560;
  const float h = band.h / (wide ? 2 : 4);
  const Face face =
      h >= view.canvas.line_height(Face::body) + 2 && band.w >= (wide ? 900 : 460) ? Face::body : Face::small;
  std::array<Formula, 4> all{maximum_formula(view.picture), factor_formula(view.picture),
                             sum_formula(view.picture), output_formula(view.picture)};
  const bool moved = SoftmaxView::over(view.phases.maximum), added = SoftmaxView::over(view.phases.add);
  all[0].shown = all[1].shown = moved;
  all[2].shown = all[3].shown = added;
  const float column = wide ? (band.w - 16) / 2 : band.w;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const float x = wide && i >= 2 ? column + 16 : 0;
    const auto line = static_cast<float>(wide ? i % 2 : i);
    if (all[i].shown) draw_formula(view, {band.x + x, band.y + h * line, column, h}, all[i], face);
  }
}

}  // namespace ringattn::viz
