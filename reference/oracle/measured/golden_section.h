#pragma once

#include <cmath>
#include <optional>

namespace ringattn {

// The factor f in [1/64, 64] with the least distance(f), searched on a logarithmic scale: the best point of a coarse
// grid, then a golden-section search between its neighbours. None if f = 1 is the best point of the grid, or if the
// distance is still falling at an end of the interval, so that the least is not there.
template <class Distance>
std::optional<double> nearest_factor(const Distance& distance) {
  const auto at = [&](double logarithm) { return distance(std::exp(logarithm)); };
  constexpr double step = 0.18;
  constexpr int grid = 24;  // steps on each side; exp(23 step) > 62
  double best = 0, nearest = at(0);
  const double right = nearest;
  for (int n = -grid; n <= grid; ++n)
    if (const double d = at(n * step); d < nearest) nearest = d, best = n * step;
  if (!(nearest < right)) return std::nullopt;

  // Golden-section search between its neighbours
  const double golden = (std::sqrt(5.0) - 1) / 2;
  double low = best - step, high = best + step;
  double a = high - golden * (high - low), b = low + golden * (high - low), at_a = at(a), at_b = at(b);
  for (int n = 0; n < 60; ++n) {
    if (at_a < at_b) {
      high = b, b = a, at_b = at_a, a = high - golden * (high - low), at_a = at(a);
    } else {
      low = a, a = b, at_a = at_b, b = low + golden * (high - low), at_b = at(b);
    }
  }
  const double least = (low + high) / 2, reach = grid * step;
  if (!(std::abs(least) < reach)) return std::nullopt;
  return std::exp(least);
}

}  // namespace ringattn
