#pragma once

#include "visualizer/model/pictures/tile_picture.h"
#include "visualizer/view/panels/panel.h"
#include "visualizer/view/tile/number_grid.h"

namespace ringattn::viz {

// The common input of the pictures of a tile.
struct TileView {
  Canvas& canvas;
  const Frame& frame;
  const TileOperands& tile;
  Index row;  // of the tile: the query whose arithmetic is written out

  const Theme& theme() const { return canvas.theme(); }
  // The colours of the elements of a tensor that belongs to a device, of weights, and of signed results
  std::function<Color(double)> of_owner(int owner) const;
  std::function<Color(double)> of_weight(double largest) const;
  std::function<Color(double)> of_signed(double largest) const;
};

void draw_forward_tile(const TileView& view, const Rect& room, const ForwardTile& forward);
void draw_backward_tile(const TileView& view, const Rect& room, const BackwardTile& backward);

// Lines of arithmetic in two columns, filled from the top of the first; empty lines are reserved
struct Arithmetic {
  std::string name;
  std::vector<std::string> forms;  // the longest first
  bool shown = true;
};
void draw_arithmetic(Canvas& canvas, Rect room, const std::vector<Arithmetic>& lines);
float arithmetic_h(const Canvas& canvas, std::size_t lines);

// "0.3 · 1.2 + 0.5 · (−0.7)", and a number in parentheses if it is negative
std::string sum_of_products(const Vector<double>& a, const Vector<double>& b);
std::string in_product(double x);
// " − 2.5", or " + 2.5" for a negative number
std::string subtracted(double x);
// "√4"
std::string root_text(Index x);

constexpr const char* superscript_T = "\xe1\xb5\x80";

}  // namespace ringattn::viz
