// Tests of the tile scheduler: persistent thread blocks distribute the tiles of queries among themselves.

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "gpu/bench/single_device_forward.h"
#include "gpu/kernels/ladder.h"
#include "gpu/kernels/tile_scheduler.h"
#include "gpu/tensor/host_copy.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

TEST_CASE(
    "each tile has one index, head groups are processed in order, and the last queries of a group come "
    "first") {
  Random random(11);
  for (int n = 0; n < trials(30); ++n) {
    const auto up_to = [&](Index most) { return static_cast<int>(1 + random.below(most)); };
    const gpu::TileScheduler scheduler{up_to(9), up_to(13), up_to(15)};
    std::set<std::pair<int, int>> seen;
    std::pair before{0, -scheduler.tiles};  // group, and a tile counted from the last
    for (int index = 0; index < scheduler.count(); ++index) {
      const auto [head, tile] = scheduler[index];
      CHECK((0 <= head && head < scheduler.heads && 0 <= tile && tile < scheduler.tiles));
      const std::pair now{head / scheduler.heads_per_group, -tile};
      CHECK(before <= now);
      before = now;
      seen.insert({head, tile});
    }
    CHECK(static_cast<int>(seen.size()) == scheduler.count());
  }
}

TEST_CASE("thread blocks that take the next free tile end at nearly the same time under a causal mask") {
  // 16k tokens in tiles of 128, 16 heads of which two fit in the cache, 132 SMs
  const gpu::TileScheduler scheduler{128, 16, 2};
  std::vector<double> busy_until(132, 0);
  double all = 0;
  for (int index = 0; index < scheduler.count(); ++index) {
    const double keys = scheduler[index].n + 1;
    *std::min_element(busy_until.begin(), busy_until.end()) += keys;
    all += keys;
  }
  const double last = *std::max_element(busy_until.begin(), busy_until.end());
  CHECK(all / 132 / last >= 0.99);
}

TEST_CASE("the last block to find no tile resets the counter of taken tiles") {
  gpu::Stream stream;
  gpu::SingleDeviceForward call({.B = 1, .H = 3, .N = 300, .d = 64, .causal = true}, stream);
  const auto step = call.step();
  for (int launches = 0; launches < 2; ++launches) {
    for (const gpu::Rung& rung : gpu::ladder()) rung.launch(step, stream);
    unsigned taken = 1;
    stream.copy(&taken, step.tile_counter, sizeof taken);
    stream.synchronize();
    CHECK(taken == 0);
  }
}
