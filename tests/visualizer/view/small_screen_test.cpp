// Tests of a small screen, which shows one panel at a time: the panel is alone, it can be read, and what is pinned is
// described below it.

#include <doctest/doctest.h>

#include <map>

#include "tests/visualizer/support/screen_fixtures.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// A telephone held upright, of 533 x 1154 points
HeadlessScreen& telephone() {
  static HeadlessScreen screen(780, 1688, 3);
  return screen;
}

// The place of each panel, by its name
std::map<std::string, Rect> panels_of(const Drawing& drawing) {
  std::map<std::string, Rect> panels;
  for (const Element& element : drawing.elements) {
    if (element.target.kind != Target::Kind::panel) continue;
    Arrangement panel = Arrangement::of(element.target.command);
    panel.run = element.run;
    panels[panel.name()] = element.rect;
  }
  return panels;
}

}  // namespace

TEST_CASE("a small screen shows one panel alone, and its texts can be read") {
  for (const Scene& scene : scenes()) {
    CAPTURE(scene.id);
    SceneSession session(scene.id);
    for (int beat = 0; beat < session.beats(); ++beat) {
      CAPTURE(beat);
      session.go_to_beat(beat);
      session.settings.zoomed.clear();
      for (const std::string& name : session.arrangement().names()) {
        CAPTURE(name);
        session.settings.alone = name;
        const Drawing drawing = drawn(telephone(), session);
        check_writings(drawing, telephone().size());
        if (name == "knobs") continue;  // no panel that the pointer can select
        const std::map<std::string, Rect> panels = panels_of(drawing);
        CHECK(panels.size() == 1);
        CHECK(panels.count(name) == 1);
      }
    }
  }
}

TEST_CASE("on a small screen what is pinned is described below the panel") {
  SceneSession session("ring");
  session.settings.alone = "ring";
  session.selection.pinned = Target::device(2);
  std::map<std::string, Rect> panels = panels_of(drawn(telephone(), session));
  CHECK(panels.size() == 2);
  for (const auto& [name, rect] : panels) CHECK(rect.w > 0.9f * telephone().size().w);
  CHECK(panels["inspector"].y > panels["ring"].bottom());
}
