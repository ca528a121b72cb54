#include <doctest/doctest.h>

#include "tests/visualizer/support/color_difference.h"
#include "visualizer/draw/theme.h"

using namespace ringattn::viz;

TEST_CASE("the difference of two colours has the published values") {
  // Sharma, Wu, Dalal (2005), table 1
  CHECK(ciede2000({50, 2.6772, -79.7751}, {50, 0, -82.7485}) == doctest::Approx(2.0425).epsilon(1e-4));
  CHECK(ciede2000({50, 0, 0}, {50, -1, 2}) == doctest::Approx(2.3669).epsilon(1e-4));
  CHECK(ciede2000({50, 2.49, -0.001}, {50, -2.49, 0.0009}) == doctest::Approx(7.1792).epsilon(1e-4));
  CHECK(ciede2000({50, 2.5, 0}, {50, 0, -2.5}) == doctest::Approx(4.3065).epsilon(1e-4));
  CHECK(ciede2000({50, 2.5, 0}, {73, 25, -18}) == doctest::Approx(27.1492).epsilon(1e-4));
  CHECK(ciede2000({60.2574, -34.0099, 36.2677}, {60.4626, -34.1751, 39.4387}) ==
        doctest::Approx(1.2644).epsilon(1e-4));
  CHECK(ciede2000({2.0776, 0.0795, -1.1350}, {0.9033, -0.0636, -0.5514}) ==
        doctest::Approx(0.9082).epsilon(1e-4));
}

TEST_CASE("any two block colours are distinguishable, also with colour blindness") {
  for (const Theme& theme : themes()) {
    for (const ColorVision& eyes : color_visions) {
      for (int a = 0; a < 8; ++a) {
        for (int b = 0; b < a; ++b) {
          INFO(theme.name << " theme, " << eyes.name << " eyes, blocks " << b << " and " << a);
          CHECK(difference(eyes, theme.of(a), theme.of(b)) >= 15);
        }
      }
    }
  }
}

TEST_CASE("every block contrasts with its panel, and its label with the block") {
  for (const Theme& theme : themes()) {
    for (const Color& color : theme.identity) {
      INFO(theme.name << " theme, block " << &color - theme.identity.data());
      CHECK(contrast(color, theme.panel) >= 3);
      CHECK(contrast(color, theme.ink_on(color)) >= 4.5);
    }
  }
}

TEST_CASE("a label is legible on any colour") {
  for (int r = 0; r < 256; r += 15) {
    for (int g = 0; g < 256; g += 15) {
      for (int b = 0; b < 256; b += 15) {
        const Color color{static_cast<std::uint8_t>(r), static_cast<std::uint8_t>(g),
                          static_cast<std::uint8_t>(b)};
        REQUIRE(contrast(color, themes()[0].ink_on(color)) >= 4.5);
      }
    }
  }
}

TEST_CASE("text is legible on every background of its theme") {
  for (const Theme& theme : themes()) {
    for (const Color ground : {theme.paper, theme.panel, theme.raised}) {
      INFO(theme.name << " theme");
      CHECK(contrast(theme.ink, ground) >= 7);
      CHECK(contrast(theme.faint_ink, ground) >= 4.5);
      for (const Color sign : {theme.accent, theme.right, theme.wrong, theme.maximum}) {
        CHECK(contrast(sign, ground) >= 4.5);
      }
      CHECK(contrast(theme.wait, ground) >= 2.5);
    }
  }
}

TEST_CASE("right and wrong, plus and minus are distinguishable, also with colour blindness") {
  for (const Theme& theme : themes()) {
    for (const ColorVision& eyes : color_visions) {
      INFO(theme.name << " theme, " << eyes.name << " eyes");
      CHECK(difference(eyes, theme.right, theme.wrong) >= 15);
      CHECK(difference(eyes, theme.negative, theme.positive) >= 30);
      CHECK(difference(eyes, theme.zero, theme.positive) >= 15);
      CHECK(difference(eyes, theme.zero, theme.negative) >= 15);
    }
  }
}

TEST_CASE("the ninth block has the colour of the first, with stripes") {
  const Theme& theme = themes().front();
  CHECK(theme.of(8) == theme.of(0));
  CHECK(Theme::striped(8));
  CHECK(Theme::striped(15));
  CHECK_FALSE(Theme::striped(7));
  CHECK_FALSE(Theme::striped(16));
}

TEST_CASE("themes are found by name, an unknown name gives the dark theme") {
  CHECK(theme("light").name == "light");
  CHECK(theme("contrast").name == "contrast");
  CHECK(theme("dark").name == "dark");
  CHECK(theme("mauve").name == "dark");
}
