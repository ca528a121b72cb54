#pragma once

#include <algorithm>
#include <cstdlib>

namespace ringattn {

// How often a law is tried on random problems: _normal_ times the environment variable RINGATTN_TEST_SCALE,
// which is small under sanitizers and large in `make test-all`; at least once.
inline int trials(int normal) {
  static const char* const scale = std::getenv("RINGATTN_TEST_SCALE");
  return std::max(1, static_cast<int>(normal * (scale ? std::atof(scale) : 1.0)));
}

}  // namespace ringattn
