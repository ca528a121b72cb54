// Tests of the limits of the GPU backend: unsupported problems and options are rejected.

#include <doctest/doctest.h>

#include "tests/gpu/gpu_problem.h"
#include "tests/support/error_message.h"

using namespace ringattn;

namespace {

constexpr Extents limited{.B = 2, .Sq = 5, .Skv = 6, .Hq = 1, .Hkv = 1, .D = 4, .Dv = 4};

// The error for a problem, or for ring options, after one change
template <class Change>
std::string refusal_after(Change change) {
  Random random(1);
  RandomProblem<float> drawn = GpuProblem(random, Dtype::f32, limited).narrow;
  RingOptions ring = ring_of(2, Layout::contiguous);
  Dtype dtype = Dtype::f32;
  change(drawn, ring, dtype);
  return error_message([&] { gpu::ring_attention(drawn.problem(), dtype, ring, 1); });
}

}  // namespace

TEST_CASE("unsupported problems and options are rejected with an error that states what was found") {
  using Drawn = RandomProblem<float>;
  CHECK(refusal_after([](Drawn&, RingOptions&, Dtype&) {}) == "");
  CHECK(contains(refusal_after([](Drawn&, RingOptions&, Dtype& dtype) { dtype = Dtype::f64; }), "found f64"));
  CHECK(contains(refusal_after([](Drawn&, RingOptions& ring, Dtype&) { ring.devices = 0; }), "found 0"));
  CHECK(contains(refusal_after([](Drawn&, RingOptions& ring, Dtype&) { ring.devices = 33; }), "found 33"));
  CHECK(contains(refusal_after([](Drawn& drawn, RingOptions&, Dtype&) { drawn.scoring.softcap = 3; }),
                 "found softcap 3"));
  CHECK(contains(refusal_after([](Drawn& drawn, RingOptions&, Dtype&) { drawn.scoring.sinks = {2}; }),
                 "attention sinks are not supported; found 1 sinks"));
  CHECK(contains(refusal_after([](Drawn& drawn, RingOptions&, Dtype&) { drawn.scoring.alibi_slopes = {2}; }),
                 "ALiBi is not supported; found 1 slopes"));
  CHECK(contains(refusal_after([](Drawn&, RingOptions& ring, Dtype&) { ring.traced_rows.all = true; }),
                 "rows cannot be traced"));
  CHECK(contains(
      refusal_after([](Drawn& drawn, RingOptions&, Dtype&) { drawn.kv_positions.of(0)[3].position = 9; }),
      "found 9 before 4 among the keys"));
  CHECK(contains(
      refusal_after([](Drawn& drawn, RingOptions&, Dtype&) { drawn.q_positions.of(0)[4].segment = 1; }),
      "found segment 1 among the queries"));
  Recorders recorders(2);
  CHECK(contains(refusal_after([&](Drawn&, RingOptions& ring, Dtype&) { ring.recorders = &recorders; }),
                 "give a sink to gpu::ring_attention"));
}
