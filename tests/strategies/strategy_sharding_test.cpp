// The rows of the devices of strategies that exchange heads.

#include "reference/strategies/strategy_sharding.h"

#include <doctest/doctest.h>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/random.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

StrategyOptions options_of(Strategy strategy, int group, Layout layout, int devices) {
  StrategyOptions options{strategy, group};
  options.ring.devices = devices, options.ring.layout = layout;
  return options;
}

StrategySharding usp(Layout layout, int devices, int group, Index heads) {
  return {options_of(Strategy::usp, group, layout, devices), heads, heads};
}

}  // namespace

TEST_CASE("the devices of a group of USP have the rows of one device of the ring, in consecutive parts") {
  Random random(31);
  for (int trial = 0; trial < trials(60); ++trial) {
    const int group = 1 + static_cast<int>(random.below(4)), groups = 1 + static_cast<int>(random.below(5));
    const Index N = 1 + random.below(61);
    const Layout layout = all_layouts[static_cast<std::size_t>(random.below(3))];
    const StrategySharding sharding = usp(layout, group * groups, group, 3 * group);
    CAPTURE(group);
    CAPTURE(groups);
    CAPTURE(N);
    for (int ring_device = 0; ring_device < groups; ++ring_device) {
      std::vector<Index> rows;
      for (int member = 0; member < group; ++member) {
        const std::vector<Index> part = sharding.rows_of(ring_device * group + member, N);
        rows.insert(rows.end(), part.begin(), part.end());
      }
      CHECK(rows == rows_of_device(layout, ring_device, groups, N));
    }
    CHECK(sharding.ring_devices() == (groups > 1 ? groups : group));
  }
}

TEST_CASE("contiguous rows of USP and Ulysses are those of a ring of all devices") {
  for (int device = 0; device < 6; ++device) {
    const std::vector<Index> rows = rows_of_device(Layout::contiguous, device, 6, 24);
    CHECK(usp(Layout::contiguous, 6, 3, 3).rows_of(device, 24) == rows);
    const StrategySharding ulysses(options_of(Strategy::ulysses, 0, Layout::contiguous, 6), 12, 2);
    CHECK(ulysses.rows_of(device, 24) == rows);
    CHECK(ulysses.ring_devices() == 6);
  }
}

TEST_CASE("groups that do not divide the devices or the heads are refused") {
  CHECK_THROWS_AS(usp(Layout::zigzag, 6, 4, 8), BadInput);
  CHECK_THROWS_AS(usp(Layout::zigzag, 6, 2, 3), BadInput);
  CHECK_THROWS_AS(usp(Layout::zigzag, 6, 0, 6), BadInput);
  CHECK_THROWS_AS(StrategySharding(options_of(Strategy::tree, 0, Layout::contiguous, 2), 2, 2), BadInput);
}
