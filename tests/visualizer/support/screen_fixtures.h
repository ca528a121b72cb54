#pragma once

#include <doctest/doctest.h>

#include <ostream>
#include <sstream>

#include "reference/definition/random.h"
#include "tests/support/error_message.h"
#include "tests/support/trials.h"
#include "visualizer/raster/headless_screen.h"
#include "visualizer/session/session.h"
#include "visualizer/view/screen_view.h"

namespace ringattn::viz {

// A session that shows a scene
struct SceneSession : Session {
  explicit SceneSession(const std::string& scene) { open_scene(find_scene(scene)); }
};

inline Drawing drawn(HeadlessScreen& screen, const Session& session) {
  return screen.log(theme(session.settings.theme),
                    [&](Canvas& canvas) { draw_screen(canvas, screen.size(), session); });
}

// The log of a frame as a text: equal texts mean equal pictures, except for colours
inline std::string text_of(const Drawing& drawing) {
  std::ostringstream text;
  const auto add = [&text](const Rect& r, int layer) {
    text << " at " << r.x << " " << r.y << " " << r.w << " " << r.h << " on " << layer << "\n";
  };
  for (const Element& each : drawing.elements) {
    text << static_cast<int>(each.target.kind) << " " << each.target.a << " " << each.target.b << " "
         << each.target.command << " " << each.event.device << "." << each.event.sequence << " "
         << each.label;
    add(each.rect, each.layer);
  }
  for (const DrawnText& each : drawing.texts) {
    text << each.text << (each.cut ? " cut" : "");
    add(each.rect, each.layer);
  }
  return text.str();
}

// Checks that every text can be read: whole, on the screen, and not over another text
inline void check_writings(const Drawing& drawing, Size size) {
  const Rect whole{0, 0, size.w, size.h};
  for (std::size_t i = 0; i < drawing.texts.size(); ++i) {
    const DrawnText& writing = drawing.texts[i];
    const bool cut = writing.cut && writing.face != Face::code;
    if (cut) FAIL_CHECK("cut: " << writing.text);
    if (!whole.contains(writing.rect, 1)) FAIL_CHECK("outside of the screen: " << writing.text);
    for (std::size_t j = 0; j < i; ++j) {
      const DrawnText& other = drawing.texts[j];
      if (other.layer == writing.layer && other.rect.overlaps(writing.rect, 1))
        FAIL_CHECK("one upon the other: " << other.text << " | " << writing.text);
    }
  }
}

// ---- Screens ---------------------------------------------------------------------------

struct ScreenSize {
  int width, height;
  double scale;
};
inline std::ostream& operator<<(std::ostream& out, const ScreenSize& size) {
  return out << size.width << "x" << size.height << " at " << size.scale;
}

// True for about the fraction _share_ of the calls; RINGATTN_TEST_SCALE scales it
inline bool chosen(Random& random, double share) {
  return random.uniform() < share * static_cast<double>(trials(1000)) / 1000;
}

// Calls visit(screen, size) for a random sample of the screens on which everything must be readable
template <class Visit>
void for_sampled_screens(Random& random, double share, const Visit& visit) {
  for (const auto& [width, height] : {std::pair{1280, 720}, {1600, 900}, {3840, 2160}, {1024, 768}})
    for (const double scale : {0.75, 1.0, 1.5, 2.0, 3.0}) {
      if (!chosen(random, share)) continue;
      HeadlessScreen screen(width, height, scale);
      visit(screen, ScreenSize{width, height, scale});
    }
}

}  // namespace ringattn::viz
