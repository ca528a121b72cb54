#pragma once

#include <functional>
#include <memory>

#include "visualizer/raster/image.h"
#include "visualizer/draw/canvas.h"

namespace ringattn::viz {

// A screen that nobody needs a display for.
class HeadlessScreen {
 public:
  // Points are pixels / unit; see unit_of()
  HeadlessScreen(int width, int height, double scale = 1);
  ~HeadlessScreen();
  HeadlessScreen(const HeadlessScreen&) = delete;

  Size size() const;  // in points

  using Draw = std::function<void(Canvas&)>;
  // The picture of a frame, and the log of what it shows
  Image picture(const Theme& theme, const Draw& draw, Drawing* drawing = nullptr);
  // The log alone, which takes no pixels
  Drawing log(const Theme& theme, const Draw& draw);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Pixels a point, for a screen of that many pixels at that display scale
float unit_of(int width, int height, double scale);

}  // namespace ringattn::viz
