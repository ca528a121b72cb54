#pragma once

#include <limits>

namespace ringattn {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double nan_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace ringattn
