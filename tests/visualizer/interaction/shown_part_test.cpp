// Tests of zooming and moving the shown part of timelines and matrices: wheel, drag and keys.

#include <doctest/doctest.h>

#include <map>

#include "tests/visualizer/support/spectator.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// The time at a place of the timeline, on the line through the outermost edges of the events that are shown
double time_at(const Spectator& spectator, float x) {
  const Rect axis = spectator.find(Target::time())->rect;
  const auto panel =
      std::find_if(spectator.drawing.elements.begin(), spectator.drawing.elements.end(),
                   [](const Element& each) { return each.target == Target::panel("timeline"); });
  REQUIRE(panel != spectator.drawing.elements.end());
  std::map<float, double> times;  // of edges that are not cut
  for (const Element& element : spectator.drawing.elements) {
    if (element.target.kind != Target::Kind::event || !panel->rect.contains(element.rect)) continue;
    const Span& span = *spectator.session.recording().spans().find(element.event);
    if (element.rect.x > axis.x + 1) times[element.rect.x] = span.begin->t;
    if (element.rect.right() < axis.right() - 1) times[element.rect.right()] = span.end->t;
  }
  REQUIRE(times.size() >= 2);
  const auto [x0, t0] = *times.begin();
  const auto [x1, t1] = *times.rbegin();
  return t0 + (t1 - t0) / static_cast<double>(x1 - x0) * static_cast<double>(x - x0);
}

// The row at a height of the matrix
double row_at(const Spectator& spectator, float y) {
  for (const Element& element : spectator.drawing.elements)
    if (element.target.kind == Target::Kind::row)
      return element.target.a + static_cast<double>((y - element.rect.y) / element.rect.h);
  FAIL("no row is shown");
  return 0;
}

void press(Spectator& spectator, const char* key) {
  press_key(spectator.session, key);
  spectator.look();
}

}  // namespace

TEST_CASE("the wheel zooms into the timeline, and the time under the pointer keeps its place") {
  Spectator spectator("ring");
  const auto axis = [&] { return *spectator.find(Target::time()); };
  const auto at_pointer = [&](float part) { return spectator.session.settings.time.fraction(part); };
  for (const float part : {0.f, 0.3f, 0.9f, 1.f}) {
    const Rect rect = axis().rect;
    const Point point{rect.x + part * rect.w * 0.9999f, rect.y + 2};
    for (const double up : {1.0, 3.0, -2.0}) {
      const double before = at_pointer(part * 0.9999f), width = spectator.session.settings.time.width();
      spectator.pointer.scrolled(spectator.session, spectator.drawing, point, 0, up);
      spectator.look();
      CHECK(at_pointer(part * 0.9999f) == doctest::Approx(before).epsilon(1e-3));
      CHECK((spectator.session.settings.time.width() < width) == (up > 0));
    }
  }
  // Dragging the playhead goes to the time under the pointer
  const Rect rect = axis().rect;
  spectator.click({rect.x + rect.w / 4, rect.y + 2});
  CHECK(spectator.session.t() ==
        doctest::Approx(at_pointer(0.25f) * spectator.session.duration()).epsilon(1e-3));
}

TEST_CASE(
    "the wheel zooms into the matrix, the pair under the pointer keeps its place, and a drag moves the "
    "part") {
  Spectator spectator("ring");
  const auto grid = [&] {
    for (const Element& element : spectator.drawing.elements)
      if (element.target == Target::grid()) return element.rect;
    return Rect{};
  };
  const Rect rect = grid();
  REQUIRE_FALSE(rect.empty());
  ViewSettings& settings = spectator.session.settings;
  const Point point{rect.x + 0.3f * rect.w, rect.y + 0.8f * rect.h};
  for (const double up : {2.0, 3.0, -1.0}) {
    const double query = settings.queries.fraction(0.8), key = settings.keys.fraction(0.3),
                 width = settings.keys.width();
    spectator.pointer.scrolled(spectator.session, spectator.drawing, point, 0, up);
    spectator.look();
    CHECK(settings.queries.fraction(0.8) == doctest::Approx(query).epsilon(1e-4));
    CHECK(settings.keys.fraction(0.3) == doctest::Approx(key).epsilon(1e-4));
    CHECK((settings.keys.width() < width) == (up > 0));
    CHECK(grid() == rect);
    check_writings(spectator.drawing, spectator.screen.size());
  }
  // Drag by a tenth of the grid; nothing is pinned
  const double begin = settings.keys.begin, top = settings.queries.begin;
  spectator.pointer.button(spectator.session, spectator.drawing, point, true);
  spectator.move(point + Point{-0.1f * rect.w, -0.1f * rect.h});
  spectator.pointer.button(spectator.session, spectator.drawing, point, false);
  CHECK(settings.keys.begin == doctest::Approx(begin + 0.1 * settings.keys.width()).epsilon(1e-3));
  CHECK(settings.queries.begin ==
        doctest::Approx(std::min(1 - settings.queries.width(), top + 0.1 * settings.queries.width()))
            .epsilon(1e-3));
  CHECK_FALSE(spectator.session.selection.pinned);
  // At least two rows remain
  spectator.pointer.scrolled(spectator.session, spectator.drawing, point, 0, 100);
  CHECK(settings.keys.width() == doctest::Approx(2 / 16.0));
  spectator.session.go_to_beat(2);
  CHECK(settings.keys.whole());
}

TEST_CASE("a drag moves time axes and sliders everywhere, and matrices and timelines where they are zoomed") {
  for (const bool zoomed : {false, true})
    for (const Scene& scene : scenes()) {
      Spectator spectator(scene.id);
      if (zoomed) {
        ViewSettings& settings = spectator.session.settings;
        for (AxisRange* range : {&settings.time, &settings.queries, &settings.keys}) range->zoom(0.5, 0.5);
        spectator.look();
      }
      for (const Element& element : spectator.drawing.elements) {
        const Point point = element.rect.centre();
        if (spectator.drawing.at(point) != &element) continue;
        const Target::Kind kind = element.target.kind;
        const bool held = kind == Target::Kind::time || kind == Target::Kind::slider;
        const bool zooms = spectator.pointer.scrolled(spectator.session, spectator.drawing, point, 0, 0);
        INFO(scene.id << ": " << element.label << ", zoomed: " << zoomed);
        CHECK(Pointer::can_drag(spectator.session, spectator.drawing, point) == (held || (zoomed && zooms)));
      }
    }
}

TEST_CASE("a zoomed timeline shows the events of its range at the right places, and no others") {
  Spectator whole("overlap"), part("overlap");
  part.session.settings.time.zoom(0.25, 0.6);
  part.look();
  const AxisRange range = part.session.settings.time;
  const Rect axis = whole.find(Target::time())->rect;
  std::size_t shown = 0;
  for (const Element& element : part.drawing.elements) {
    if (element.target.kind != Target::Kind::event || element.rect.w < 2) continue;
    // The same event in the whole timeline, cut at the edges of the range
    for (const Element& other : whole.drawing.elements) {
      if (other.target != element.target || other.run != element.run || other.rect.y != element.rect.y)
        continue;
      const auto x = [&](float at) {
        return axis.x + axis.w * static_cast<float>(range.place(static_cast<double>((at - axis.x) / axis.w)));
      };
      CHECK(std::abs(x(other.rect.x) - element.rect.x) < 1);
      CHECK(std::abs(x(other.rect.right()) - element.rect.right()) < 1);
      ++shown;
    }
  }
  CHECK(shown > 20);
}

TEST_CASE("W and S zoom the timeline under the pointer, and the time under the pointer stays there") {
  for (const float part : {0.3f, 0.55f, 0.7f}) {
    Spectator spectator("ring");
    const Rect axis = spectator.find(Target::time())->rect;
    const Point point{axis.x + part * axis.w, axis.y + 3};
    const double time = time_at(spectator, point.x), pixel = spectator.session.duration() / 1000;
    spectator.move(point);
    for (const auto& [key, width] : {std::pair{"W", 0.5}, {"W", 0.25}, {"S", 0.5}, {"w", 0.25}}) {
      press(spectator, key);
      INFO(key << " at " << part);
      CHECK(spectator.session.settings.time.width() == doctest::Approx(width));
      CHECK(std::abs(time_at(spectator, point.x) - time) < pixel);
      CHECK(spectator.session.settings.keys.whole());
      check_writings(spectator.drawing, spectator.screen.size());
    }
    press(spectator, "S"), press(spectator, "S");
    CHECK(spectator.session.settings.time.whole());
  }
}

TEST_CASE("A and D move the timeline by a quarter of what is shown, and a drag takes it along") {
  Spectator spectator("ring");
  const Rect axis = spectator.find(Target::time())->rect;
  const Point point{axis.centre().x, axis.y + 3};
  spectator.move(point);
  press(spectator, "W");
  const double shown = 0.5 * spectator.session.duration(), time = time_at(spectator, point.x),
               pixel = spectator.session.duration() / 1000;
  for (const auto& [key, moved] : {std::pair{"D", 0.25}, {"A", 0.0}, {"A", -0.25}, {"D", 0.0}}) {
    press(spectator, key);
    INFO(key);
    CHECK(std::abs(time_at(spectator, point.x) - time - moved * shown) < pixel);
  }
  // Between two lanes, where no event is
  const Point free{point.x, axis.y - 1};
  spectator.pointer.button(spectator.session, spectator.drawing, free, true);
  spectator.move(free + Point{-0.1f * axis.w, 0});
  spectator.pointer.button(spectator.session, spectator.drawing, free, false);
  spectator.look();
  CHECK(std::abs(time_at(spectator, point.x) - time - 0.1 * shown) < pixel);
}

TEST_CASE("the keys W A S D zoom and move the matrix under the pointer, and its pair stays there") {
  Spectator spectator("ring");
  const auto grid = std::find_if(spectator.drawing.elements.begin(), spectator.drawing.elements.end(),
                                 [](const Element& each) { return each.target == Target::grid(); });
  REQUIRE(grid != spectator.drawing.elements.end());
  const Point point = grid->rect.corner() + Point{0.4f * grid->rect.w, 0.7f * grid->rect.h};
  const AxisRange &keys = spectator.session.settings.keys, &time = spectator.session.settings.time;
  const double row = row_at(spectator, point.y), key = keys.fraction(0.4);
  spectator.move(point);
  for (const char* const each : {"W", "W", "S", "W"}) {
    press(spectator, each);
    CHECK(std::abs(row_at(spectator, point.y) - row) < 0.01);
    CHECK(keys.fraction(0.4) == doctest::Approx(key).epsilon(1e-5));
    check_writings(spectator.drawing, spectator.screen.size());
  }
  CHECK(keys.width() == doctest::Approx(0.25));
  const double begin = keys.begin;
  press(spectator, "D");
  CHECK(keys.begin == doctest::Approx(begin + 0.25 / 4));
  press(spectator, "A");
  CHECK(keys.begin == doctest::Approx(begin));
  CHECK(time.whole());
}

TEST_CASE("without a pointer W zooms the first timeline at the playhead, or the matrix if it is alone") {
  Spectator spectator("overlap");
  const double before = spectator.session.settings.time.place(0.4);
  press(spectator, "W");
  CHECK(spectator.session.settings.time.width() == doctest::Approx(0.5));
  CHECK(spectator.session.settings.time.place(0.4) == doctest::Approx(before));

  Spectator alone("ring");
  alone.session.settings.zoomed = "matrix";
  press(alone, "W");
  CHECK(alone.session.settings.time.whole());
  CHECK(alone.session.settings.keys.width() == doctest::Approx(0.5));
}

TEST_CASE("a range of time stays within the run, whatever is zoomed and moved") {
  Random random(3);
  AxisRange range;
  for (int n = 0; n < trials(2000); ++n) {
    if (random.below(2))
      range.zoom(std::exp(4 * random.uniform() - 2), random.uniform());
    else
      range.pan(4 * random.uniform() - 2);
    CHECK((range.begin >= 0 && range.end <= 1));
    CHECK(range.width() >= AxisRange::smallest * 0.999);
  }
  for (int n = 0; n < 40; ++n) range.zoom(2, 0.5);
  CHECK(range.whole());
}
