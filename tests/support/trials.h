#pragma once

#include <algorithm>
#include <cstdlib>

namespace ringattn {

// The number of random problems in a test: _normal_ times the environment variable RINGATTN_TEST_SCALE, which is small
// under sanitizers and large in `make test-all`; at least 1.
inline int trials(int normal) {
  static const char* const scale = std::getenv("RINGATTN_TEST_SCALE");
  return std::max(1, static_cast<int>(normal * (scale ? std::atof(scale) : 1.0)));
}

}  // namespace ringattn
