// The peak memory of a device, against the table of reference/README.md.

#include <doctest/doctest.h>

#include "reference/ring/ring_attention.h"
#include "reference/trace/summary.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

namespace {

constexpr Index rows = 24;  // queries, and keys, of each device
constexpr Index B = 2, Hq = 6, Hkv = 2, D = 5, Dv = 7;

struct Peaks {
  std::int64_t forward = 0, backward = 0;
};

// The peak memory of device 0, in bytes
Peaks peaks(int devices, Rotation rotate) {
  Random random(1);
  const RandomProblem<double> drawn = normal_problem(
      random, {.B = B, .Sq = rows * devices, .Skv = rows * devices, .Hq = Hq, .Hkv = Hkv, .D = D, .Dv = Dv});
  const auto peak = [&](const auto& run) {
    Summary summary(devices);
    Recorders recorders = make_recorders(summary, devices, {});
    RingOptions ring;
    ring.devices = devices, ring.rotate = rotate, ring.threads = 1, ring.recorders = &recorders;
    run(ring);
    return summary.devices().front().peak_bytes;
  };
  const AttentionOutput<double> forward = ring_attention(drawn.problem(), {});
  return {peak([&](const RingOptions& ring) { ring_attention(drawn.problem(), ring); }),
          peak([&](const RingOptions& ring) {
            ring_attention_vjp(drawn.problem(), forward, drawn.cotangents(), ring);
          })};
}

// Sizes on one device, in elements
constexpr Index Q = B * rows * Hq * D, O = B * rows * Hq * Dv, K = B * rows * Hkv * D,
                V = B * rows * Hkv * Dv;
constexpr Index row = B * rows * Hq;        // one number for each query row and head
constexpr Index tile = rows * 24;           // rows of 24 doubles are multiples of 64 bytes
constexpr Index positions = rows * 16 / 8;  // 16 bytes a row, the same for all sequences

}  // namespace

TEST_CASE("while K and V rotate, a device holds Q, O, m, l, two buffers of K and V, and a tile") {
  const Peaks found = peaks(4, Rotation::kv);
  CHECK(found.forward == 8 * (Q + O + 2 * row + 2 * (K + V + positions) + tile));
  CHECK(found.backward ==
        8 * (K + V + 2 * Q + O + 2 * row + 2 * (K + V + positions) + 2 * (K + V) + 2 * tile));
}

TEST_CASE("while Q rotates, a device holds K, V, two buffers of Q, two of m, l and O, and a tile") {
  const Peaks found = peaks(4, Rotation::q);
  CHECK(found.forward == 8 * (K + V + 2 * (Q + positions) + 2 * (O + 2 * row) + tile));
  const Index travels = Q + O + 2 * row;
  CHECK(found.backward == 8 * (2 * (K + V) + travels + 2 * (travels + positions) + 2 * Q + 2 * tile));
}

TEST_CASE("with a fixed number of rows per device, its memory does not depend on the number of devices") {
  for (const Rotation rotate : {Rotation::kv, Rotation::q}) {
    const Peaks two = peaks(2, rotate);
    for (const int devices : {3, 4, 8, 16}) {
      CAPTURE(devices);
      const Peaks more = peaks(devices, rotate);
      CHECK(more.forward == two.forward);
      CHECK(more.backward == two.backward);
    }
  }
}
