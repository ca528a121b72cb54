#pragma once

#include <limits>

namespace ringattn {

// The score of a key that the mask hides, the maximum of a row that sees no key, and the lse of that row.
template <class T>
inline constexpr T minus_infinity = -std::numeric_limits<T>::infinity();

}  // namespace ringattn
