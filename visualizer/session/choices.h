#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace ringattn::viz {

// The index of the choice that is nearest to _now_
template <class Number>
int index_of(const std::vector<Number>& choices, Number now) {
  const auto here = std::min_element(choices.begin(), choices.end(), [now](Number a, Number b) {
    return std::max(a, now) - std::min(a, now) < std::max(b, now) - std::min(b, now);
  });
  return static_cast<int>(here - choices.begin());
}

// The choice after or before the one nearest to _now_
template <class Number>
Number next_of(const std::vector<Number>& choices, Number now, int direction) {
  const int index = std::clamp(index_of(choices, now) + direction, 0, static_cast<int>(choices.size()) - 1);
  return choices[static_cast<std::size_t>(index)];
}

// The place of a value on a slider from 0 to 1 on which the choices have equal distances, and the choice at a place
template <class Number>
double place_of(const std::vector<Number>& choices, Number now) {
  return static_cast<double>(index_of(choices, now)) / static_cast<double>(choices.size() - 1);
}
template <class Number>
Number choice_at(const std::vector<Number>& choices, double place) {
  const double last = static_cast<double>(choices.size() - 1);
  return choices[static_cast<std::size_t>(std::lround(std::clamp(place, 0.0, 1.0) * last))];
}

}  // namespace ringattn::viz
