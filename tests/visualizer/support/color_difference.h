#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "visualizer/draw/color.h"

namespace ringattn::viz {

// Contrast and difference of colours, also as people with colour blindness see them.

using Triple = std::array<double, 3>;

inline Triple linear(Color color) {
  const auto part = [](std::uint8_t channel) {
    const double c = channel / 255.0;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return {part(color.r), part(color.g), part(color.b)};
}

// WCAG 2.1, "contrast ratio"
inline double contrast(Color a, Color b) {
  const auto luminance = [](const Triple& c) { return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
  const double of_a = luminance(linear(a)) + 0.05, of_b = luminance(linear(b)) + 0.05;
  return std::max(of_a / of_b, of_b / of_a);
}

// ---- ColorVision -------------------------------------------------------------------

struct ColorVision {
  std::string_view name;
  std::array<double, 9> matrix;  // on linear RGB
};

// Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
// IEEE TVCG 15 (2009): the matrices of severity 1.0
constexpr ColorVision color_visions[] = {
    {"usual", {1, 0, 0, 0, 1, 0, 0, 0, 1}},
    {"protanopic",
     {0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998}},
    {"deuteranopic",
     {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881}},
    {"tritanopic",
     {1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900}},
};

inline Triple simulate_vision(const ColorVision& eyes, const Triple& color) {
  Triple seen{};
  for (std::size_t row = 0; row < 3; ++row) {
    double sum = 0;
    for (std::size_t column = 0; column < 3; ++column) sum += eyes.matrix[3 * row + column] * color[column];
    seen[row] = std::clamp(sum, 0.0, 1.0);
  }
  return seen;
}

// ---- The difference of two colours --------------------------------------------

// CIE L*a*b* of linear sRGB, white point D65
inline Triple lab(const Triple& c) {
  const auto f = [](double t) { return t > 216.0 / 24389 ? std::cbrt(t) : (24389.0 / 27 * t + 16) / 116; };
  const double x = f((0.4124564 * c[0] + 0.3575761 * c[1] + 0.1804375 * c[2]) / 0.95047);
  const double y = f(0.2126729 * c[0] + 0.7151522 * c[1] + 0.0721750 * c[2]);
  const double z = f((0.0193339 * c[0] + 0.1191920 * c[1] + 0.9503041 * c[2]) / 1.08883);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

// Sharma, Wu, Dalal, "The CIEDE2000 Color-Difference Formula", Color Research and Application 30 (2005)
inline double ciede2000(const Triple& first, const Triple& second) {
  constexpr double pi = 3.14159265358979323846, degree = pi / 180;
  const auto seventh = [](double c) {
    return std::sqrt(std::pow(c, 7) / (std::pow(c, 7) + std::pow(25.0, 7)));
  };
  const double mean_chroma = (std::hypot(first[1], first[2]) + std::hypot(second[1], second[2])) / 2;
  const double stretch = 1 + 0.5 * (1 - seventh(mean_chroma));

  // Lightness, chroma and hue, and their differences
  const double a1 = stretch * first[1], a2 = stretch * second[1];
  const double C1 = std::hypot(a1, first[2]), C2 = std::hypot(a2, second[2]);
  const auto hue = [](double b, double a) {
    return a == 0 && b == 0 ? 0 : std::atan2(b, a) + (b < 0 ? 2 * pi : 0);
  };
  const double h1 = hue(first[2], a1), h2 = hue(second[2], a2);
  const bool grey = C1 * C2 == 0, apart = std::abs(h1 - h2) > pi;
  const double turn = grey ? 0 : h2 - h1 - (apart ? std::copysign(2 * pi, h2 - h1) : 0);
  const double dL = second[0] - first[0], dC = C2 - C1, dH = 2 * std::sqrt(C1 * C2) * std::sin(turn / 2);

  // Their weights
  const double L = (first[0] + second[0]) / 2, C = (C1 + C2) / 2;
  const double h = grey ? h1 + h2 : (h1 + h2 + (apart ? (h1 + h2 < 2 * pi ? 2 * pi : -2 * pi) : 0)) / 2;
  const double T = 1 - 0.17 * std::cos(h - 30 * degree) + 0.24 * std::cos(2 * h) +
                   0.32 * std::cos(3 * h + 6 * degree) - 0.20 * std::cos(4 * h - 63 * degree);
  const double bend = 30 * degree * std::exp(-std::pow((h / degree - 275) / 25, 2));
  const double SL = 1 + 0.015 * std::pow(L - 50, 2) / std::sqrt(20 + std::pow(L - 50, 2));
  const double SC = 1 + 0.045 * C, SH = 1 + 0.015 * C * T;
  const double crossed = -std::sin(2 * bend) * 2 * seventh(C) * (dC / SC) * (dH / SH);
  return std::sqrt(std::pow(dL / SL, 2) + std::pow(dC / SC, 2) + std::pow(dH / SH, 2) + crossed);
}

inline double difference(const ColorVision& eyes, Color a, Color b) {
  return ciede2000(lab(simulate_vision(eyes, linear(a))), lab(simulate_vision(eyes, linear(b))));
}

}  // namespace ringattn::viz
