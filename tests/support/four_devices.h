#pragma once

#include "reference/ring/ring_options.h"
#include "tests/support/random_problem.h"

namespace ringattn {

inline RingOptions four_devices(Rotation rotate = Rotation::kv, int threads = 0) {
  RingOptions ring;
  ring.devices = 4, ring.rotate = rotate, ring.threads = threads;
  return ring;
}

// 24 queries and 24 keys: six of each on a device
inline RandomProblem<double> small_problem(std::uint64_t seed = 1) {
  Random random(seed);
  return normal_problem(random, {.Sq = 24, .Skv = 24, .Hq = 2, .Hkv = 1, .D = 4, .Dv = 3});
}

}  // namespace ringattn
