// The canvas: texts, elements, layers and clipping, as drawn and as logged.

#include "visualizer/draw/canvas.h"

#include <doctest/doctest.h>
#include <imgui.h>

#include <stdexcept>

#include "tests/support/file_fixtures.h"
#include "tests/visualizer/support/color_difference.h"
#include "visualizer/draw/fonts.h"
#include "visualizer/raster/headless_screen.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

constexpr Color ink = rgb(0xFFFFFF);

// A screen of 640 x 360 points with one pixel per point
HeadlessScreen& screen() {
  static HeadlessScreen small(640, 360, 2.5);
  return small;
}

Drawing log_of(const HeadlessScreen::Draw& draw) { return screen().log(themes()[0], draw); }

// The smallest rectangle in which a picture differs from an empty one
Rect drawn_by(const HeadlessScreen::Draw& draw) {
  const Image picture = screen().picture(themes()[0], draw);
  int x0 = picture.width, y0 = picture.height, x1 = 0, y1 = 0;
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      const std::uint8_t* p = picture.pixel(x, y);
      if (Color{p[0], p[1], p[2]} == themes()[0].paper) continue;
      x0 = std::min(x0, x), x1 = std::max(x1, x + 1), y0 = std::min(y0, y), y1 = std::max(y1, y + 1);
    }
  }
  return x0 < x1 ? Rect{float(x0), float(y0), float(x1 - x0), float(y1 - y0)} : Rect{};
}

const std::string story =
    "Each device keeps its queries, and blocks of keys and values travel round the ring.";

}  // namespace

// ---- Text -------------------------------------------------------------------

TEST_CASE("a text is drawn at the logged rectangle, within its place") {
  for (const Align align : {Align::left, Align::centre, Align::right}) {
    const Rect place{100, 100, 300, 40};
    const auto draw = [&](Canvas& canvas) { canvas.text(place, "Softmax", Face::heading, ink, align); };
    const DrawnText writing = log_of(draw).texts.at(0);
    CHECK(writing.text == "Softmax");
    CHECK_FALSE(writing.cut);
    CHECK(place.contains(writing.rect));
    CHECK(writing.rect.centre().y == place.centre().y);
    CHECK(writing.rect.contains(drawn_by(draw), 1));
    if (align == Align::left) CHECK(writing.rect.x == place.x);
    if (align == Align::centre) CHECK(writing.rect.centre().x == doctest::Approx(place.centre().x));
    if (align == Align::right) CHECK(writing.rect.right() == doctest::Approx(place.right()));
  }
}

TEST_CASE("a text too long for its place is cut, and logged in full") {
  const Rect place{100, 100, 120, 20};
  const auto draw = [&](Canvas& canvas) { canvas.text(place, story, Face::body, ink); };
  const DrawnText writing = log_of(draw).texts.at(0);
  CHECK(writing.text == story);
  CHECK(writing.cut);
  CHECK(place.contains(drawn_by(draw), 1));
  CHECK(drawn_by(draw).w > 90);
}

TEST_CASE("a text too high for its place is cut") {
  const Rect place{100, 100, 120, 10};
  const auto draw = [&](Canvas& canvas) { canvas.text(place, "high", Face::title, ink); };
  CHECK(log_of(draw).texts.at(0).cut);
  CHECK(place.contains(log_of(draw).texts.at(0).rect));
  CHECK(place.contains(drawn_by(draw)));
}

TEST_CASE("a text of exactly the size of its place fits") {
  const Drawing drawing = log_of([&](Canvas& canvas) {
    for (int i = 0; i < faces; ++i) {
      const Face face = static_cast<Face>(i);
      const Size size = canvas.text_size("Softmax, O = P V", face);
      canvas.text({10.3f, 20.7f, size.w, size.h}, "Softmax, O = P V", face, ink);
    }
  });
  CHECK(drawing.texts.size() == faces);
  for (const DrawnText& writing : drawing.texts) CHECK_FALSE(writing.cut);
}

TEST_CASE("of several texts, the first that fits is drawn, or none") {
  const auto written = [](float width, float height) {
    const Drawing drawing = log_of([&](Canvas& canvas) {
      canvas.fitting_text({50, 50, width, height}, {"K3 of device 3", "K3", "3"}, Face::body, ink);
    });
    std::string all;
    for (const DrawnText& writing : drawing.texts) all += writing.text;
    return all;
  };
  CHECK(written(300, 20) == "K3 of device 3");
  CHECK(written(50, 20) == "K3");
  CHECK(written(15, 20) == "3");
  CHECK(written(4, 20) == "");
  CHECK(written(300, 9) == "");
}

TEST_CASE("line breaks in a single-line text become spaces") {
  const auto draw = [](Canvas& canvas) {
    canvas.text({50, 50, 200, 20}, "one\ntwo\tthree", Face::body, ink);
  };
  CHECK_FALSE(log_of(draw).texts.at(0).cut);
  CHECK(Rect{50, 50, 200, 20}.contains(drawn_by(draw)));
}

TEST_CASE("a paragraph is broken at spaces and keeps to its width") {
  float height = 0, foreseen = 0, line = 0;
  const Rect place{50, 50, 200, 200};
  const auto draw = [&](Canvas& canvas) {
    height = canvas.paragraph(place, story, Face::body, ink);
    foreseen = canvas.paragraph_height(place.w, story, Face::body);
    line = canvas.line_height(Face::body);
  };
  const Drawing drawing = log_of(draw);
  CHECK(drawing.texts.size() == 1);
  CHECK_FALSE(drawing.texts[0].cut);
  CHECK(height == foreseen);
  CHECK(height > 3 * line);
  CHECK(drawing.texts[0].rect.h == doctest::Approx(height));
  CHECK(place.contains(drawing.texts[0].rect));
  CHECK(drawing.texts[0].rect.contains(drawn_by(draw), 1));
}

TEST_CASE("a paragraph is also broken at line breaks") {
  log_of([](Canvas& canvas) {
    const float one = canvas.paragraph_height(500, "a", Face::body);
    CHECK(one == canvas.line_height(Face::body));
    CHECK(canvas.paragraph_height(500, "", Face::body) == 0);
    CHECK(canvas.paragraph_height(500, "a\nb", Face::body) > 2 * one);
    CHECK(canvas.paragraph_height(500, "a\n\nb", Face::body) > 3 * one);
    CHECK(canvas.paragraph_height(500, "a b", Face::body) == one);
  });
}

TEST_CASE("a paragraph too long for its place is cut") {
  for (const Rect place : {Rect{50, 50, 200, 45}, Rect{50, 50, 20, 300}}) {
    const auto draw = [&](Canvas& canvas) { canvas.paragraph(place, story, Face::body, ink); };
    CHECK(log_of(draw).texts.at(0).cut);
    CHECK(log_of(draw).texts.at(0).text == story);
    CHECK(place.contains(drawn_by(draw), 1));
  }
}

TEST_CASE("a paragraph that is cut ends with an ellipsis, even if its last line fits") {
  const auto width = [](const char* text) {
    return drawn_by([&](Canvas& canvas) { canvas.paragraph({50, 50, 200, 20}, text, Face::body, ink); }).w;
  };
  CHECK(width("one\ntwo") > width("one") + 5);
}

TEST_CASE("every face has the characters of formulas") {
  ImFontAtlas atlas;
  const Fonts fonts(atlas, 1);
  for (int i = 0; i < faces; ++i) {
    for (const ImWchar letter : u"αβσΣΔ√·−×≤≥≠≈∞∂∈→←↑↓⇒–—…‘’“”²₀₁⁻ᵀᵢ●■▲▶◀äöéß") {
      INFO("face " << i << ", letter " << letter);
      if (letter != 0) CHECK(fonts.font(static_cast<Face>(i)).FindGlyphNoFallback(letter) != nullptr);
    }
  }
}

// ---- Shapes -----------------------------------------------------------------

TEST_CASE("shapes stay within their rectangles") {
  const Rect place{100, 100, 61, 37};
  CHECK(drawn_by([&](Canvas& c) { c.fill(place, ink); }) == place);
  CHECK(drawn_by([&](Canvas& c) { c.fill(place, ink, 8); }) == place);
  CHECK(drawn_by([&](Canvas& c) { c.frame(place, ink, 3); }) == place);
  CHECK(drawn_by([&](Canvas& c) { c.frame(place, ink, 3, 8); }) == place);
  CHECK(drawn_by([&](Canvas& c) { c.hatch(place, ink); }) == place);
  CHECK(drawn_by([&](Canvas& c) { c.block(place, 9, 6); }) == place);
  CHECK(drawn_by([&](Canvas& c) { c.fill({}, ink); }).empty());
}

TEST_CASE("adjacent rectangles leave no gap and do not overlap") {
  const auto row = [](Canvas& canvas) {
    for (int i = 0; i < 20; ++i) canvas.fill({50 + i * 7.3f, 50, 7.3f, 10}, ink.with_alpha(0.5));
  };
  const Image picture = screen().picture(themes()[0], row);
  for (int x = 51; x < 50 + 145; ++x) CHECK(picture.pixel(x, 55)[0] == picture.pixel(50, 55)[0]);
}

TEST_CASE("a tiny rectangle still covers one pixel") {
  CHECK(drawn_by([](Canvas& c) { c.fill({100, 100, 0.01f, 20}, ink); }) == Rect{100, 100, 1, 20});
  CHECK(drawn_by([](Canvas& c) { c.line({100, 100}, {100, 120}, ink, 0.1f); }).w == 1);
}

TEST_CASE("a triangle does not depend on the order of its corners") {
  const Point a{100, 100}, b{140, 110}, c{120, 150};
  const Image one = screen().picture(themes()[0], [&](Canvas& canvas) { canvas.triangle(a, b, c, ink); });
  const Image other = screen().picture(themes()[0], [&](Canvas& canvas) { canvas.triangle(a, c, b, ink); });
  int apart = 0;
  for (std::size_t i = 0; i < one.rgba.size(); ++i)
    apart = std::max(apart, std::abs(one.rgba[i] - other.rgba[i]));
  CHECK(apart <= 2);
}

TEST_CASE("a striped block and its label are legible") {
  for (const Theme& theme : themes()) {
    for (int owner = 8; owner < 16; ++owner) {
      const Image picture = screen().picture(theme, [&](Canvas& canvas) {
        canvas.block({100, 100, 60, 30}, owner);
      });
      int dark = 0;
      for (int x = 100; x < 160; ++x) {
        const std::uint8_t* p = picture.pixel(x, 115);
        dark += !(Color{p[0], p[1], p[2]} == theme.of(owner));
        CHECK(contrast({p[0], p[1], p[2]}, theme.ink_on(theme.of(owner))) >= 3);
      }
      CHECK(dark > 10);
      CHECK(dark < 40);
    }
  }
}

// ---- The log ----------------------------------------------------------------

TEST_CASE("the pointer finds the topmost element, and of these the one drawn last") {
  const Drawing drawing = log_of([](Canvas& canvas) {
    canvas.enter_overlay();
    canvas.element({100, 100, 50, 50}, Target::panel("tip"));
    canvas.leave_overlay();
    canvas.element({80, 80, 100, 100}, Target::device(1), {1, 7}, "device 1");
    canvas.element({90, 90, 80, 80}, Target::block(2));
  });
  CHECK(drawing.at({120, 120})->target == Target::panel("tip"));
  CHECK(drawing.at({95, 95})->target == Target::block(2));
  CHECK(drawing.at({85, 85})->target == Target::device(1));
  CHECK(drawing.at({85, 85})->event == EventId{1, 7});
  CHECK(drawing.at({85, 85})->label == "device 1");
  CHECK(drawing.at({10, 10}) == nullptr);
}

TEST_CASE("the log of a text contains its layer") {
  const Drawing drawing = log_of([](Canvas& canvas) {
    canvas.text({0, 0, 90, 20}, "below", Face::body, ink);
    canvas.enter_overlay();
    canvas.text({0, 0, 90, 20}, "above", Face::body, ink);
    canvas.leave_overlay();
    canvas.text({0, 40, 90, 20}, "beside", Face::body, ink);
  });
  CHECK(drawing.texts.at(0).layer == 0);
  CHECK(drawing.texts.at(1).layer == 1);
  CHECK(drawing.texts.at(2).layer == 0);
}

TEST_CASE("clipped parts are neither drawn nor found by the pointer") {
  const auto draw = [](Canvas& canvas) {
    canvas.clip({100, 100, 50, 50});
    canvas.fill({0, 0, 640, 360}, ink);
    canvas.element({120, 120, 200, 200}, Target::device(1));
    canvas.element({200, 200, 50, 50}, Target::device(2));
    canvas.text({110, 120, 200, 20}, "half of this", Face::body, ink);
    canvas.text({210, 120, 200, 20}, "nothing of this", Face::body, ink);
    canvas.unclip();
    canvas.element({200, 200, 50, 50}, Target::device(3));
  };
  CHECK(drawn_by(draw) == Rect{100, 100, 50, 50});
  const Drawing drawing = log_of(draw);
  CHECK(drawing.elements.size() == 2);
  CHECK(drawing.elements.at(0).rect == Rect{120, 120, 30, 30});
  CHECK(drawing.at({210, 210})->target == Target::device(3));
  CHECK(drawing.texts.size() == 1);
  CHECK(drawing.texts.at(0).cut);
}

// ---- The screen -------------------------------------------------------------

TEST_CASE("the log is the same with and without a picture, every time") {
  const auto draw = [](Canvas& canvas) {
    canvas.text({20, 20, 300, 40}, story, Face::strong, ink);
    canvas.element({100, 100, 50, 50}, Target::device(1));
  };
  Drawing with_picture;
  const Image picture = screen().picture(themes()[0], draw, &with_picture);
  const Drawing alone = log_of(draw);
  CHECK(with_picture.texts.size() == alone.texts.size());
  CHECK(with_picture.texts.at(0).rect == alone.texts.at(0).rect);
  CHECK(with_picture.elements.at(0).rect == alone.elements.at(0).rect);
  const bool same = picture.rgba == screen().picture(themes()[0], draw).rgba;
  CHECK(same);
}

TEST_CASE("sizes in points do not depend on the pixels") {
  HeadlessScreen large(3840, 2160), small(1280, 720), twice(1600, 900, 2);
  CHECK(large.size() == Size{1600, 900});
  CHECK(small.size() == Size{1600, 900});
  CHECK(twice.size() == Size{800, 450});
  float widths[2];
  large.log(themes()[0], [&](Canvas& canvas) { widths[0] = canvas.text_size(story, Face::body).w; });
  small.log(themes()[0], [&](Canvas& canvas) { widths[1] = canvas.text_size(story, Face::body).w; });
  CHECK(widths[0] == doctest::Approx(widths[1]).epsilon(0.08));
}

TEST_CASE("screens do not interfere with each other or with another ImGui context") {
  ImGuiContext* before = ImGui::GetCurrentContext();
  const auto draw = [](Canvas& canvas) { canvas.fill({10, 10, 20, 20}, ink); };
  const Image alone = screen().picture(themes()[0], draw);
  HeadlessScreen other(320, 180);
  other.picture(themes()[1], draw);
  CHECK(ImGui::GetCurrentContext() == before);
  CHECK_THROWS(
      screen().picture(themes()[0], [](Canvas&) { throw std::runtime_error("in the midst of a frame"); }));
  CHECK(ImGui::GetCurrentContext() == before);
  const bool same = screen().picture(themes()[0], draw).rgba == alone.rgba;
  CHECK(same);
}

TEST_CASE("an invalid picture size is rejected") {
  check_message(bad_input_message([] { HeadlessScreen(0, 0); }), "[picture] a picture must have 64 x 36");
  check_message(bad_input_message([] { HeadlessScreen(100000, 900); }), "found 100000 x 900");
  check_message(bad_input_message([] { HeadlessScreen(1600, 90000); }), "found 1600 x 90000");
  check_message(bad_input_message([] { HeadlessScreen(1600, 900, 100); }), "the scale must be between");
}
