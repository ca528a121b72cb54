#include "visualizer/app/picture.h"

#include "visualizer/view/screen_view.h"

namespace ringattn::viz {

Image picture(HeadlessScreen& screen, const Session& session, Drawing* drawing) {
  return screen.picture(
      theme(session.settings.theme), [&](Canvas& canvas) { draw_screen(canvas, screen.size(), session); },
      drawing);
}

}  // namespace ringattn::viz
