#include "visualizer/view/tile/number_grid.h"

#include "visualizer/view/panels/labels.h"

namespace ringattn::viz {

NumberGrid grid_of(std::string name, const Matrix<double>& matrix, std::function<Color(double)> color) {
  NumberGrid grid;
  grid.name = std::move(name);
  grid.rows = matrix.rows(), grid.columns = matrix.cols();
  grid.number = [matrix](Index i, Index j) { return matrix(i, j); };
  grid.color = std::move(color);
  return grid;
}

NumberGrid transposed(NumberGrid grid) {
  std::swap(grid.rows, grid.columns);
  std::swap(grid.focus_row, grid.focus_column);
  grid.number = [number = std::move(grid.number)](Index i, Index j) { return number(j, i); };
  return grid;
}

float grid_name_h(const Canvas& canvas) { return canvas.line_height(Face::body) + 7; }

Rect rect_of(Point corner, Size cell, const NumberGrid& grid) {
  return {corner.x, corner.y, cell.w * static_cast<float>(grid.columns),
          cell.h * static_cast<float>(grid.rows)};
}

namespace {

// The larger typeface if every number of the grid fits
Face face_of_numbers(const Canvas& canvas, Size cell, const NumberGrid& grid) {
  bool fits = canvas.line_height(Face::body) + 4 <= cell.h;
  for (Index i = 0; i < grid.rows; ++i)
    for (Index j = 0; j < grid.columns; ++j)
      fits = fits && canvas.text_size(rounded_number(grid.number(i, j)), Face::body).w + 8 <= cell.w;
  return fits ? Face::body : Face::small;
}

void draw_focus(Canvas& canvas, Point corner, Size cell, const NumberGrid& grid) {
  const Index i = grid.focus_row, j = grid.focus_column;
  if (i < 0 && j < 0) return;
  const Rect all = rect_of(corner, cell, grid);
  Rect focus = all;
  if (i >= 0) focus.y = all.y + cell.h * static_cast<float>(i), focus.h = cell.h;
  if (j >= 0) focus.x = all.x + cell.w * static_cast<float>(j), focus.w = cell.w;
  canvas.frame(focus.inset(-1), canvas.theme().accent, 2, 4);
}

}  // namespace

void draw_grid(Canvas& canvas, Point corner, Size cell, const NumberGrid& grid) {
  const Theme& theme = canvas.theme();
  const Rect all = rect_of(corner, cell, grid);
  const float line = grid_name_h(canvas);
  const Rect name{all.x + 2, all.y - line, std::max(all.w, cell.w), line - 5};
  const Face name_face = canvas.text_size(grid.name, Face::body).w <= name.w ? Face::body : Face::small;
  canvas.fitting_text(name, {grid.name, grid.short_name}, name_face, theme.ink);
  const Face face = grid.shown ? face_of_numbers(canvas, cell, grid) : Face::small;
  for (Index i = 0; i < grid.rows; ++i)
    for (Index j = 0; j < grid.columns; ++j) {
      const Rect place =
          Rect{all.x + cell.w * static_cast<float>(j), all.y + cell.h * static_cast<float>(i), cell.w, cell.h}
              .inset(1);
      if (!grid.shown) {
        canvas.frame(place, theme.outline, 1, 3);
        continue;
      }
      const double number = grid.number(i, j);
      const Color color = grid.color(number);
      canvas.fill(place, color, 3);
      canvas.fitting_text(place, {rounded_number(number)}, face, theme.ink_on(color), Align::centre);
    }
  if (grid.shown) draw_focus(canvas, corner, cell, grid);
}

}  // namespace ringattn::viz
