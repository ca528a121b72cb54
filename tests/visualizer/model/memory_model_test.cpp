// Tests of the memory panel: it shows the alloc and free events of the run.

#include <doctest/doctest.h>

#include "reference/trace/summary.h"
#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/model/costs/memory_model.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

TEST_CASE("the allocations of a device add up to its memory, at every moment") {
  Random random(1);
  for (int n = 0; n < trials(60); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    for (const Clock clock : {Clock::modelled, Clock::measured})
      for (int m = 0; m < 3; ++m) {
        const Moment now = moment(*recording, random.uniform() * recording->duration(clock), clock);
        const std::vector<DeviceMemory> devices = memory(*recording, now);
        for (std::size_t d = 0; d < devices.size(); ++d) {
          std::int64_t sum = 0;
          for (const Allocation& allocation : devices[d].held) sum += allocation.bytes;
          CHECK(sum == devices[d].bytes);
          CHECK(sum == now.devices[d].bytes);
          CHECK(sum <= devices[d].peak);
        }
      }
  }
}

TEST_CASE("at the end all memory is freed, and the peak equals that of the summary") {
  Random random(2);
  for (int n = 0; n < trials(40); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    Summary summary(recording->devices());
    for (const Event& event : recording->events()) summary.write(event);
    const Moment end = moment(*recording, recording->duration(Clock::measured), Clock::measured);
    const std::vector<DeviceMemory> devices = memory(*recording, end);
    for (std::size_t d = 0; d < devices.size(); ++d) {
      CHECK(devices[d].held.empty());
      CHECK(devices[d].peak == summary.devices()[d].peak_bytes);
      const Span* cause = recording->spans().find(devices[d].peak_since);
      CHECK((cause && cause->begin->kind == EventKind::alloc));
    }
  }
}

TEST_CASE("the slots of a device contain its resident block and the incoming block") {
  for (const Rotation rotate : {Rotation::kv, Rotation::q})
    for (const bool backward : {false, true}) {
      RunConfig config;
      config.rotate = rotate, config.backward = backward;
      const auto recording = record_run(config).recording;
      for (const double part : {0.1, 0.3, 0.6, 0.9}) {
        const Moment now = moment(*recording, part * recording->duration(Clock::modelled), Clock::modelled);
        const std::vector<DeviceMemory> devices = memory(*recording, now);
        for (std::size_t d = 0; d < devices.size(); ++d) {
          std::vector<int> blocks;
          for (const Allocation& allocation : devices[d].held)
            if (allocation.block >= 0) blocks.push_back(allocation.block);
          std::vector<int> expected;
          for (const int owner : {now.devices[d].holds.owner, now.devices[d].incoming().owner})
            if (owner >= 0) expected.push_back(owner);
          CHECK(blocks == expected);
        }
      }
    }
}

TEST_CASE("the memory of a device with all scores equals a sum by hand") {
  TraceHeader header;
  header.batch = 2, header.Sq = 10, header.Skv = 20, header.heads = 4, header.kv_heads = 2;
  header.head_dim = 8, header.v_dim = 6, header.dtype = "bf16";
  const ComputedMemory naive = naive_memory(header);
  CHECK(naive.scores == 4 * 2 * 4 * 10 * 20);
  CHECK(naive.inputs_and_output == 4 * (2 * 10 * 4 * 14 + 2 * 20 * 2 * 14));
  header.dtype = "f64";
  CHECK(naive_memory(header).bytes() == 2 * naive.bytes());
}

TEST_CASE(
    "for a million tokens, FlashAttention takes 1288 MiB and one tile: Q K V in bf16, m l O in float32") {
  const double N = 1 << 20, tile = 4 * 256 * 512;
  CHECK(long_flash_memory() - tile == N * (3 * 128 * 2 + 128 * 4 + 4 + 4));
  CHECK(long_flash_memory() - tile == 1288.0 * (1 << 20));
  CHECK(long_ring_memory(64) < long_flash_memory() / 40);
}

TEST_CASE("for a million tokens, doubling the devices halves the memory of each, except for the tile") {
  const double tile = 4 * 256 * 512;
  CHECK((long_ring_memory(4) - tile) == 2 * (long_ring_memory(8) - tile));
  CHECK(long_ring_memory(1 << 20) - tile == 2 * 128 + 8 * 128 + 4 * (128 + 2));
  CHECK(long_naive_memory() > 4e12);
}
