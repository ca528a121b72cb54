#pragma once

#include <functional>

#include "reference/definition/tensor.h"
#include "visualizer/draw/canvas.h"

namespace ringattn::viz {

// A matrix as a grid of cells with a number in each.
struct NumberGrid {
  std::string name;             // above the grid
  std::string short_name = {};  // if the name does not fit
  Index rows = 0, columns = 0;
  std::function<double(Index, Index)> number;
  std::function<Color(double)> color;       // of a cell
  bool shown = true;                        // false: empty cells, because the numbers do not exist yet
  Index focus_row = -1, focus_column = -1;  // outlined; a row and a column: their cell only; -1: none
};

NumberGrid grid_of(std::string name, const Matrix<double>& matrix, std::function<Color(double)> color);
NumberGrid transposed(NumberGrid grid);

// Draws the grid with its top left cell at _corner_, and its name above
void draw_grid(Canvas& canvas, Point corner, Size cell, const NumberGrid& grid);

// The height of the name above a grid
float grid_name_h(const Canvas& canvas);

// The rectangle of the cells
Rect rect_of(Point corner, Size cell, const NumberGrid& grid);

}  // namespace ringattn::viz
