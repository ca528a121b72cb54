#pragma once

#include <limits>

namespace ringattn {

// The score of a hidden key; also the maximum and the lse of a row with no visible key.
template <class T>
inline constexpr T minus_infinity = -std::numeric_limits<T>::infinity();

}  // namespace ringattn
