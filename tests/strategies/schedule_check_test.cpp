// Tests of the schedules as data: messages and contributions of every strategy, before any number is computed.

#include <doctest/doctest.h>

#include <numeric>

#include "reference/strategies/all_gather.h"
#include "reference/strategies/bidirectional.h"
#include "reference/strategies/double_ring.h"
#include "reference/strategies/schedule_check.h"
#include "reference/strategies/tree_decode.h"
#include "reference/strategies/usp_groups.h"

using namespace ringattn;

namespace {

constexpr int many_devices[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 31, 64, 97};

std::vector<int> divisors(int number) {
  std::vector<int> found;
  for (int n = 1; n <= number; ++n)
    if (number % n == 0) found.push_back(n);
  return found;
}

}  // namespace

TEST_CASE("in every schedule each device attends to each block once, and all results come home") {
  for (const int devices : many_devices) {
    CAPTURE(devices);
    CHECK(schedule_error(ring_schedule, devices) == "");
    CHECK(schedule_error(reverse_ring_schedule, devices) == "");
    CHECK(schedule_error(all_gather_schedule, devices) == "");
    for (const int w : divisors(devices)) {
      CAPTURE(w);
      CHECK(schedule_error(double_ring_schedule(w), devices) == "");
    }
  }
}

TEST_CASE("in the rings of USP each device attends to each group once, on the device with its heads") {
  for (const int devices : many_devices)
    for (const int u : divisors(devices)) {
      CAPTURE(devices);
      CAPTURE(u);
      const auto rings = [u](int device, int all) { return ring_across_groups(device, all, u); };
      const auto same_heads = [&](int device) {
        std::vector<int> with_these_heads;
        for (int other = device % u; other < devices; other += u) with_these_heads.push_back(other);
        return with_these_heads;
      };
      CHECK(schedule_error(rings, devices, {same_heads}) == "");
    }
}

TEST_CASE("in tree decoding each device attends to its own keys, and its state reaches every device") {
  for (const int devices : many_devices) {
    CAPTURE(devices);
    CHECK(schedule_error(
              tree_schedule, devices,
              {.attended = [](int device) { return std::vector{device}; }, .same_queries = true}) == "");
  }
}

TEST_CASE("the devices of a group share all query heads, each with the K/V heads of its queries") {
  for (const int u : {1, 2, 3, 4, 6, 8, 12, 24})
    for (const Index kv_heads : {1, 2, 3, 4, 6, 12, 24}) {
      const Index heads = 24;
      if (kv_heads % u != 0 && u % kv_heads != 0) continue;
      CAPTURE(u);
      CAPTURE(kv_heads);
      Index next = 0;
      for (int place = 0; place < u; ++place) {
        const HeadRange range = heads_in_group(heads, kv_heads, u, place);
        CHECK(range.first == next);
        next += range.count;
        // Query head first + h uses K/V head kv_first + h / (queries that share one), here as in the whole problem
        REQUIRE(range.count % range.kv_count == 0);
        for (Index h = 0; h < range.count; ++h)
          CHECK(range.kv_first + h / (range.count / range.kv_count) ==
                (range.first + h) / (heads / kv_heads));
      }
      CHECK(next == heads);
    }
}

TEST_CASE("a schedule with a mistake is refused with a sentence") {
  const auto changed = [](auto change) {
    return [change](int device, int devices) {
      Schedule ring = ring_schedule(device, devices);
      change(device, ring);
      return ring;
    };
  };
  using Change = void (*)(int device, Schedule& ring);
  const auto error_of = [&](Change change) { return schedule_error(changed(change), 4); };

  CHECK(error_of([](int device, Schedule& ring) {
          if (device == 1) ring.steps[2].block_to.clear();
        }) == "device 1 waits forever for device 2");
  CHECK(error_of([](int device, Schedule& ring) {
          if (device == 1) ring.steps[1].block_to.clear();
        }) == "device 2 adds results for device 0 to those for device 3");
  CHECK(error_of([](int device, Schedule& ring) {
          if (device == 1) ring.steps[1].block_to = {3};
        }) == "device 1 sends to device 3, which never receives from it");
  CHECK(error_of([](int device, Schedule& ring) {
          if (device == 1) ring.steps[1].attends = false;
        }) == "device 0 does not receive exactly one contribution of each device to its results");
  CHECK(error_of([](int, Schedule& ring) {
          ring.steps[3].results_to = Step::none;
          ring.own_results_from = {};
        }) == "device 0 does not receive exactly one contribution of each device to its results");
  CHECK(error_of([](int device, Schedule& ring) {
          if (device == 3) ring.steps[3].block_to = {0};
        }) == "a message from device 3 to device 0 is never received");
  CHECK(error_of([](int device, Schedule& ring) {
          if (device == 2) ring.own_results_from = {};
        }) == "device 2 does not receive exactly one contribution of each device to its results");
}
