#include "visualizer/draw/theme.h"

#include <algorithm>
#include <cmath>

namespace ringattn::viz {

namespace {

// Relative luminance and contrast as WCAG 2.1 defines them
double luminance(Color color) {
  const auto linear = [](std::uint8_t channel) {
    const double c = channel / 255.0;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(color.r) + 0.7152 * linear(color.g) + 0.0722 * linear(color.b);
}

double contrast(Color a, Color b) {
  const auto [darker, lighter] = std::minmax({luminance(a), luminance(b)});
  return (lighter + 0.05) / (darker + 0.05);
}

const Theme dark{
    .name = "dark",
    .paper = rgb(0x12151C),
    .panel = rgb(0x1B1F28),
    .raised = rgb(0x262B37),
    .outline = rgb(0x3A4152),
    .ink = rgb(0xE4E8F0),
    .faint_ink = rgb(0x9AA3B5),
    .accent = rgb(0xE6FF4D),
    .wait = rgb(0x7C869A),
    .maximum = rgb(0xFF5C5C),
    .wrong = rgb(0xFF5C5C),
    .right = rgb(0x5CE0B0),
    .negative = rgb(0x4C8DFF),
    .zero = rgb(0xE4E8F0),
    .positive = rgb(0xFFA02E),
    .identity = {rgb(0x347BFF), rgb(0xFCA323), rgb(0x39C191), rgb(0xB86CA0), rgb(0xFFEEA5), rgb(0xEF4C4E),
                 rgb(0xB6F0FF), rgb(0xB9ACFF)},
};

const Theme light{
    .name = "light",
    .paper = rgb(0xECEEF2),
    .panel = rgb(0xFFFFFF),
    .raised = rgb(0xF4F6F9),
    .outline = rgb(0xCBD1DB),
    .ink = rgb(0x1A1E27),
    .faint_ink = rgb(0x5B6475),
    .accent = rgb(0x1B1464),
    .wait = rgb(0x8A93A3),
    .maximum = rgb(0xD02020),
    .wrong = rgb(0xC81E1E),
    .right = rgb(0x0B7660),
    .negative = rgb(0x1F5FD0),
    .zero = rgb(0xE3E6EB),
    .positive = rgb(0xD9730B),
    .identity = {rgb(0x1E57DE), rgb(0xE97109), rgb(0x096D47), rgb(0xB32A77), rgb(0x9F8A6C), rgb(0xA4020C),
                 rgb(0x24A4A8), rgb(0x9184FF)},
};

const Theme high_contrast{
    .name = "contrast",
    .paper = rgb(0x000000),
    .panel = rgb(0x000000),
    .raised = rgb(0x1A1A1A),
    .outline = rgb(0xB8B8B8),
    .ink = rgb(0xFFFFFF),
    .faint_ink = rgb(0xD8D8D8),
    .accent = rgb(0xEEFF41),
    .wait = rgb(0xB8B8B8),
    .maximum = rgb(0xFF6B6B),
    .wrong = rgb(0xFF6B6B),
    .right = rgb(0x5CFFB0),
    .negative = rgb(0x62A0FF),
    .zero = rgb(0xFFFFFF),
    .positive = rgb(0xFFA733),
    .identity = {rgb(0x227FFF), rgb(0xFFAC0B), rgb(0x28C692), rgb(0xD45999), rgb(0xFFFDA9), rgb(0xFD0B36),
                 rgb(0xBDFAFF), rgb(0xC1B3FF)},
};

}  // namespace

Color Theme::of_number(double x, double largest) const {
  if (!std::isfinite(x)) return wrong;
  const double part = largest > 0 ? std::clamp(x / largest, -1.0, 1.0) : 0;
  return part < 0 ? mix(zero, negative, -part) : mix(zero, positive, part);
}

Color Theme::ink_on(Color background) const {
  constexpr Color black = rgb(0x000000), white = rgb(0xFFFFFF);
  return contrast(black, background) >= contrast(white, background) ? black : white;
}

const std::array<Theme, 3>& themes() {
  static const std::array<Theme, 3> all{dark, light, high_contrast};
  return all;
}

const Theme& theme(std::string_view name) {
  for (const Theme& each : themes()) {
    if (each.name == name) return each;
  }
  return themes().front();
}

}  // namespace ringattn::viz
