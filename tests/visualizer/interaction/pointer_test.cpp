// Tests of the pointer: highlighting, pinning and dragging.

#include <doctest/doctest.h>

#include "tests/visualizer/support/spectator.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

bool can_be_pinned(const Target& target) {
  return target.kind != Target::Kind::nothing && target.kind != Target::Kind::panel &&
         target.kind != Target::Kind::command && target.kind != Target::Kind::time &&
         target.kind != Target::Kind::slider && target.kind != Target::Kind::grid;
}

}  // namespace

TEST_CASE("every element is highlighted under the pointer, in its own run") {
  for (const Scene& scene : scenes()) {
    Spectator spectator(scene.id);
    for (const Element& element : spectator.drawing.elements) {
      const Point point = element.rect.centre();
      if (spectator.drawing.at(point) != &element) continue;
      spectator.move(point);
      INFO(scene.id << ": " << element.label);
      CHECK(spectator.session.selection.hovered == element.target);
      CHECK(spectator.session.selection.hovered_run == element.run);
      if (element.target) CHECK(spectator.session.selection.highlights(element.target));
    }
    spectator.move({-5, -5});
    CHECK_FALSE(spectator.session.selection.hovered);
  }
}

TEST_CASE("a click pins an element, and a second click unpins it") {
  for (const Scene& scene : scenes()) {
    Spectator spectator(scene.id);
    const Drawing at_first = spectator.drawing;
    std::size_t met = 0;
    for (const Element& element : at_first.elements) {
      const Point point = element.rect.centre();
      if (at_first.at(point) != &element || !can_be_pinned(element.target)) continue;
      if (++met % 25 != 0) continue;
      INFO(scene.id << ": " << element.label);
      spectator.drawing = at_first;
      spectator.click(point);
      CHECK(spectator.session.selection.pinned == element.target);
      CHECK(spectator.session.selection.pinned_run == element.run);
      spectator.look();
      CHECK(spectator.drawing.elements.size() > 0);
      spectator.drawing = at_first;
      spectator.click(point);
      CHECK_FALSE(spectator.session.selection.pinned);
    }
    // Charts of formulas have nothing to pin
    if (scene.id != "memory") CHECK(met > 3);
  }
}

TEST_CASE("the pointer moves the playhead while the button is down") {
  Spectator spectator("ring");
  const Element* axis = spectator.find(Target::time());
  REQUIRE(axis);
  const Rect rect = axis->rect;
  const auto at = [&](float part) { return Point{rect.x + rect.w * part, rect.centre().y}; };
  const double duration = spectator.session.duration();
  spectator.pointer.button(spectator.session, spectator.drawing, at(0.25f), true);
  CHECK(spectator.session.t() == doctest::Approx(0.25 * duration));
  spectator.move(at(0.75f) + Point{0, -300});
  CHECK(spectator.session.t() == doctest::Approx(0.75 * duration));
  spectator.move({rect.x - 500, 0});
  CHECK(spectator.session.t() == 0);
  spectator.move({rect.right() + 500, 0});
  CHECK(spectator.session.t() == duration);
  spectator.pointer.button(spectator.session, spectator.drawing, at(0.5f), false);
  spectator.move(at(0.1f));
  CHECK(spectator.session.t() == duration);
}

TEST_CASE("the playhead follows the pointer in every timeline of compared runs") {
  Spectator spectator("causal");
  for (const Element& element : spectator.drawing.elements) {
    if (element.target != Target::time()) continue;
    spectator.click(element.rect.centre());
    CHECK(spectator.session.t() == doctest::Approx(spectator.session.duration() / 2));
  }
}

TEST_CASE("a click on a button has the effect of its key") {
  Spectator spectator("ring");
  const Element* next = spectator.find(Target::to_command("next_event"));
  REQUIRE(next);
  SceneSession other("ring");
  other.seek(spectator.session.t());
  spectator.click(next->rect.centre());
  press_key(other, "Right");
  CHECK(spectator.session.t() == other.t());
}

TEST_CASE("a click on an arrow steps the parameter") {
  Spectator spectator("free");
  const Element* more = spectator.find(Target::to_command("knob:devices:+"));
  REQUIRE(more);
  spectator.click(more->rect.centre());
  CHECK(spectator.session.recording().devices() == 5);
  spectator.look();
  spectator.click(spectator.find(Target::to_command("knob:devices:-"))->rect.centre());
  CHECK(spectator.session.recording().devices() == 4);
}

TEST_CASE("a slider follows the pointer while the button is down") {
  Spectator spectator("hide");
  spectator.session.go_to_beat(5);
  spectator.look();
  const Element* slider = spectator.find(Target::slider("block_tokens"));
  REQUIRE(slider);
  const Rect rect = slider->rect;
  const auto tokens = [&] { return spectator.session.recording(0).machine.tokens; };
  spectator.pointer.button(spectator.session, spectator.drawing, {rect.x + 1, rect.centre().y}, true);
  CHECK(tokens() == 64);
  spectator.move({rect.right() - 1, rect.y - 200});
  CHECK(tokens() == 65536);
  spectator.pointer.button(spectator.session, spectator.drawing, {rect.x, rect.centre().y}, false);
  spectator.move({rect.x + 1, rect.centre().y});
  CHECK(tokens() == 65536);
}

TEST_CASE("a click on a row of the matrix shows it in the microscope") {
  Spectator spectator("ring");
  const Element* row = spectator.find(Target::row(9));
  REQUIRE(row);
  spectator.click(row->rect.centre());
  CHECK(spectator.session.selection.row == 9);
  spectator.look();
  CHECK(contains(text_of(spectator.drawing), "row 9"));
}
