#include "visualizer/layout/screen_layout.h"

namespace ringattn::viz {

bool is_small(Size size) { return size.w < 760 || size.h < 440; }

Size caption_margin(Size size) { return is_small(size) ? Size{14, 6} : Size{22, 14}; }

ScreenLayout layout_screen(Size size, const Arrangement& arrangement, const ScreenOptions& options) {
  ScreenLayout screen;
  const bool small = is_small(size);
  const float gap = small ? 6.f : 10.f;
  Rect room = Rect{0, 0, size.w, size.h}.inset(small ? 8.f : 14.f, small ? 6.f : 12.f);

  screen.title = room.take_top(small ? 22.f : 40.f, small ? 4.f : gap);
  if (!options.presenting && !small) screen.controls = room.take_bottom(30, gap);
  if (options.caption > 0)
    screen.caption = room.take_bottom(options.caption + 2 * caption_margin(size).h, gap);
  screen.panels = place(arrangement, room);
  return screen;
}

}  // namespace ringattn::viz
