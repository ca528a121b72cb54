#pragma once

#include <string>
#include <vector>

#include "visualizer/draw/canvas.h"

namespace ringattn::viz {

// A tick of an axis.
struct Tick {
  double value;
  std::string name;
};

// A chart with logarithmic axes.
class LogChart {
 public:
  struct Axis {
    double low = 1, high = 10;
    std::vector<Tick> ticks;
  };

  LogChart(Canvas& canvas, Rect room, Axis across, Axis up);

  const Rect& plot() const { return plot_; }
  float x_of(double value) const { return plot_.x + plot_.w * part(across_, value); }
  float y_of(double value) const { return plot_.bottom() - plot_.h * part(up_, value); }

  // The lines of the ticks, and their names where there is room
  void draw_axes();
  // A line through points, cut at the edges of the plot
  void draw_line(const std::vector<std::pair<double, double>>& points, Color color, float thickness);
  // A vertical line across the plot
  void draw_upright(double value, Color color, float thickness);
  // Writes a text vertically centred in _rect_ that covers no other label; false: there is no room
  bool label(const Rect& rect, const std::string& text, Face face, Color color, Align align = Align::left);

 private:
  static float part(const Axis& axis, double value);

  Canvas& canvas_;
  Axis across_, up_;
  Rect plot_, below_, beside_;
  std::vector<Rect> taken_;
};

}  // namespace ringattn::viz
