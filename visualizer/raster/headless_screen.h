#pragma once

#include <functional>
#include <memory>

#include "visualizer/draw/canvas.h"
#include "visualizer/raster/image.h"

namespace ringattn::viz {

// A screen that needs no display.
class HeadlessScreen {
 public:
  // Points are pixels / unit; see unit_of()
  HeadlessScreen(int width, int height, double scale = 1);
  ~HeadlessScreen();
  HeadlessScreen(const HeadlessScreen&) = delete;

  Size size() const;  // in points

  using Draw = std::function<void(Canvas&)>;
  // Renders one frame; _drawing_ receives its log
  Image picture(const Theme& theme, const Draw& draw, Drawing* drawing = nullptr);
  // The log of one frame without rendering it
  Drawing log(const Theme& theme, const Draw& draw);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Pixels per point of a screen with this size in pixels and this display scale
float unit_of(int width, int height, double scale);

}  // namespace ringattn::viz
