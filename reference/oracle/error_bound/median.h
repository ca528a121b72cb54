#pragma once

#include <algorithm>
#include <limits>
#include <vector>

namespace ringattn {

// The median, the upper one of an even count; NaN if there are no numbers
inline double median(std::vector<double> numbers) {
  if (numbers.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

}  // namespace ringattn
