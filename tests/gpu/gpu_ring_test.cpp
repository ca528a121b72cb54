// Tests of the ring on the GPU: layout, exchange and schedule change no bit of the result.

#include <doctest/doctest.h>

#include "reference/ring/schedule.h"
#include "tests/gpu/gpu_problem.h"
#include "tests/gpu/usage_counter.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// Each shard of the keys is one tile of the highest rungs, and a multiple of the tiles of the others
Extents tiled_extents(int devices) {
  return {.B = 1, .Sq = 128, .Skv = Index{128} * devices, .Hq = 2, .Hkv = 1, .D = 64, .Dv = 64};
}

// The problem of a single device: its queries, and the keys in the order in which it receives them
AttentionOutput<float> one_call(const GpuProblem& problem, const RingOptions& ring, int device, int rung) {
  const Index Sq = problem.narrow.Q.shape().S, Skv = problem.narrow.K.shape().S;
  std::vector<Index> keys;
  for (int step = 0; step < ring.devices; ++step)
    for (const Index row :
         rows_of_device(ring.layout, resident_owner(device, step, ring.devices), ring.devices, Skv))
      keys.push_back(row);
  const std::vector<Index> queries = rows_of_device(ring.layout, device, ring.devices, Sq);
  const Tensor<float> Q = select_rows(problem.narrow.Q.view(), queries),
                      K = select_rows(problem.narrow.K.view(), keys),
                      V = select_rows(problem.narrow.V.view(), keys);
  return gpu::ring_attention(
      {Q, K, V, consecutive_positions(Q.shape().S), consecutive_positions(K.shape().S), {}, {}, {}},
      problem.dtype, {}, rung);
}

UsageCounter usage_of(const GpuProblem& problem, const RingOptions& ring) {
  UsageCounter usage;
  gpu::Tracing tracing(usage, ring.devices);
  gpu::ring_attention(problem.narrow.problem(), problem.dtype, ring, gpu::ladder().back().number, &tracing);
  return usage;
}

void check_bits(const GpuProblem& problem, int devices, int rung) {
  const RingOptions ring = ring_of(devices, Layout::zigzag);
  const AttentionOutput<float> found = on_gpu(problem, ring, rung);
  for (int d = 0; d < devices; ++d) {
    CAPTURE(d);
    const std::vector<Index> rows = rows_of_device(ring.layout, d, devices, problem.narrow.Q.shape().S);
    const AttentionOutput<float> alone = one_call(problem, ring, d, rung);
    CHECK(same_bits(select_rows(found.out.view(), rows), alone.out));
    CHECK(same_bits(select_rows(found.lse.view(), rows, Axes::bhsd), alone.lse));
  }
}

}  // namespace

TEST_CASE("P steps of the ring give the same bits as one call over the same order of blocks") {
  Random random(1);
  // The lowest rung finds the maximum of a block before it processes the block
  for (const gpu::Rung& rung : gpu::ladder().subspan(1))
    for (const int devices : {2, 3}) {
      INFO(std::string(rung.name) << " on " << devices << " devices");
      check_bits(GpuProblem(random, Dtype::bf16, tiled_extents(devices)), devices, rung.number);
    }
  check_bits(GpuProblem(random, Dtype::f16, tiled_extents(16)), 16, gpu::ladder().back().number);
}

TEST_CASE("exchange by handover, copy or NCCL, overlapped or not, at any speed gives the same bits") {
  Random random(2);
  const auto nccl = gpu::Communicator::is_available() ? std::make_unique<gpu::Communicator>() : nullptr;
  for (int n = 0; n < trials(8); ++n)
    for (const Rotation rotate : all_rotations) {
      const GpuProblem problem(random, Dtype::f16,
                               {.B = 1,
                                .Sq = 1 + random.below(99),
                                .Skv = 1 + random.below(99),
                                .Hq = 1,
                                .Hkv = 1,
                                .D = 64,
                                .Dv = 64},
                               {.causal = random.below(2) == 0});
      RingOptions ring = random_options(random, 6);
      ring.rotate = rotate, ring.exchange = Exchange::move, ring.overlap = false;
      const AttentionOutput<float> expected = on_gpu(problem, ring);
      for (int again = 0; again < 5; ++again) {
        ring.exchange = again == 0 ? Exchange::move : Exchange::copy;
        ring.overlap = again != 1;
        CAPTURE(describe(ring));
        CHECK(same_bits(on_gpu(problem, {ring, again == 2 ? nccl.get() : nullptr}), expected));
      }
    }
}

TEST_CASE("rotating K and V or rotating Q is correct, and the results differ by rounding alone") {
  Random random(4);
  for (const Layout layout : all_layouts)
    for (const int devices : {1, 2, 3, 7}) {
      const Index keys = 20 + random.below(60);
      const GpuProblem problem(
          random, Dtype::f32,
          {.B = 2, .Sq = 20 + random.below(60), .Skv = keys, .Hq = 4, .Hkv = 2, .D = 32, .Dv = 32},
          {.causal = random.below(2) == 0, .window_left = random.below(keys)});
      const AttentionOutput<double> truth = attention(problem.drawn.problem()),
                                    size = attention_magnitude(problem.drawn.problem());
      RingOptions ring = ring_of(devices, layout);
      for (const Rotation rotate : all_rotations) {
        ring.rotate = rotate;
        INFO(describe(ring));
        const AttentionOutput<float> found = on_gpu(problem, ring);
        CHECK(worst_error(found.out, truth.out, size.out) <= problem.out_bound());
        CHECK(worst_error(found.lse, truth.lse, size.lse) <= problem.lse_bound());
      }
    }
}

TEST_CASE("more devices than rows: some have no queries, no keys, or neither") {
  Random random(3);
  for (const gpu::Rung& rung : gpu::ladder())
    for (const Rotation rotate : all_rotations) {
      const GpuProblem problem(random, Dtype::bf16,
                               {.B = 1, .Sq = 3, .Skv = 5, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64},
                               {.causal = true});
      const AttentionOutput<double> truth = attention(problem.drawn.problem()),
                                    size = attention_magnitude(problem.drawn.problem());
      RingOptions ring = ring_of(9, Layout::striped);
      ring.rotate = rotate;
      const AttentionOutput<float> found = on_gpu(problem, ring, rung.number);
      CHECK(worst_error(found.out, truth.out, size.out) <= problem.out_bound());
      CHECK(worst_error(found.lse, truth.lse, size.lse) <= problem.lse_bound());
    }
}

TEST_CASE(
    "a device holds its share, its results, two travelling blocks and its states, for any number of "
    "devices") {
  Random random(6);
  constexpr Index B = 2, H = 4, Hkv = 2, D = 5, Dv = 7, q = 3, kv = 4;
  for (const int devices : {2, 7}) {
    const GpuProblem problem(
        random, Dtype::bf16,
        {.B = B, .Sq = q * devices, .Skv = kv * devices, .Hq = H, .Hkv = Hkv, .D = D, .Dv = Dv});
    const Index row = 4 * B * H * q, Q = 2 * B * H * q * D + 4 * q, state = 2 * row + 4 * B * H * q * Dv,
                results = 2 * B * H * q * Dv + row, KV = 2 * B * Hkv * kv * (D + Dv) + 4 * kv;
    RingOptions ring = ring_of(devices, Layout::contiguous);
    for (const auto& [device, bytes] : usage_of(problem, ring).bytes)
      CHECK(bytes == Q + state + results + 2 * KV);
    ring.rotate = Rotation::q;
    for (const auto& [device, bytes] : usage_of(problem, ring).bytes)
      CHECK(bytes == KV + results + 2 * Q + 3 * state);
  }
}
