#pragma once

#include <algorithm>

namespace ringattn::viz {

// The part of an axis that is shown, in fractions of the whole: of the time of a run, of the rows or columns of a
// matrix.
struct AxisRange {
  static constexpr double smallest = 1e-4;

  double begin = 0, end = 1;

  double width() const { return end - begin; }
  bool whole() const { return begin == 0 && end == 1; }
  // The place of a fraction of the whole between the edges of the shown part, 0 .. 1, and the fraction at a place
  double place(double fraction) const { return std::clamp((fraction - begin) / width(), 0.0, 1.0); }
  double fraction(double place) const { return begin + width() * place; }
  bool contains(double fraction) const { return fraction >= begin && fraction <= end; }

  // Multiplies the width; the fraction _fixed_ keeps its place
  void zoom(double factor, double fixed) {
    const double wanted = std::clamp(width() * factor, smallest, 1.0);
    move_to(fixed - (fixed - begin) * wanted / width(), wanted);
  }
  // Moves by _part_ of the width
  void pan(double part) { move_to(begin + part * width(), width()); }

 private:
  void move_to(double new_begin, double new_width) {
    begin = std::clamp(new_begin, 0.0, 1 - new_width);
    end = new_width == 1 ? 1 : begin + new_width;
  }
};

}  // namespace ringattn::viz
