// Tests of the memory of long sequences: the formula is that with which the engine allocates.

#include "visualizer/model/costs/long_sequence.h"

#include <doctest/doctest.h>

#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/model/costs/memory_model.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

TEST_CASE("the formula gives the bytes that the engine counts in any run in which K and V travel") {
  Random random(1);
  for (int n = 0; n < trials(60); ++n) {
    RunConfig config = random_config(random);
    config.rotate = Rotation::kv, config.backward = false;
    const auto recording = record_run(config).recording;
    const Moment end = moment(*recording, recording->duration(Clock::measured), Clock::measured);
    std::int64_t most = 0;
    for (const DeviceMemory& device : memory(*recording, end)) most = std::max(most, device.peak);
    CHECK(static_cast<double>(most) == allocated_bytes(recording->header()));
  }
}

TEST_CASE("the longest sequence that fits is the last that fits") {
  for (const MemoryWay way : memory_ways)
    for (const int devices : {1, 3, 64}) {
      const std::int64_t most = most_tokens(way, devices);
      CHECK(memory_need(way, {most, devices}).bytes() <= LongSequence::device_bytes);
      CHECK(memory_need(way, {most + devices, devices}).bytes() > LongSequence::device_bytes);
    }
}

TEST_CASE("in a ring of twice the devices twice the tokens fit, and all scores do not profit") {
  const auto most = [](MemoryWay way, int devices) { return static_cast<double>(most_tokens(way, devices)); };
  CHECK(most(MemoryWay::ring, 128) / most(MemoryWay::ring, 64) == doctest::Approx(2).epsilon(1e-3));
  CHECK(most_tokens(MemoryWay::all_scores, 128) == most_tokens(MemoryWay::all_scores, 1));
  CHECK(most_tokens(MemoryWay::ring, 1) == most_tokens(MemoryWay::tiles, 1));
}
