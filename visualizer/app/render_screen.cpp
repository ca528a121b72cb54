#include "visualizer/app/render_screen.h"

#include "visualizer/view/screen_view.h"

namespace ringattn::viz {

Image render_screen(HeadlessScreen& screen, const Session& session, Drawing* drawing) {
  return screen.picture(
      theme(session.settings.theme), [&](Canvas& canvas) { draw_screen(canvas, screen.size(), session); },
      drawing);
}

}  // namespace ringattn::viz
