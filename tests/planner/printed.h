#pragma once

#include <cmath>

namespace ringattn {

// x, rounded to the digits after the point with which a paper prints it
inline double rounded_to(double x, int digits) {
  const double scale = std::pow(10.0, digits);
  return std::round(x * scale) / scale;
}

}  // namespace ringattn
