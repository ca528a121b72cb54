// Tests of the backward ring on the GPU: gradients are exact for every layout, exchange and schedule.

#include <doctest/doctest.h>

#include "gpu/backward/ladder.h"
#include "gpu/backward/row_term.h"
#include "gpu/tensor/host_copy.h"
#include "reference/definition/minus_infinity.h"
#include "tests/gpu/backward_problem.h"
#include "tests/gpu/usage_counter.h"
#include "tests/support/error_message.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

Gradients<float> on_gpu(const BackwardProblem& problem, const AttentionOutput<float>& forward,
                        const gpu::GpuOptions& ring,
                        const gpu::BackwardRung& rung = gpu::backward_ladder().front(),
                        gpu::Tracing* tracing = nullptr) {
  return gpu::ring_attention_vjp(problem.narrow.problem(), forward, problem.narrow.cotangents(),
                                 problem.dtype, ring, rung.number, rung.deterministic, tracing);
}

Gradients<float> on_gpu(const BackwardProblem& problem, const gpu::GpuOptions& ring,
                        const gpu::BackwardRung& rung = gpu::backward_ladder().front()) {
  return on_gpu(problem, on_gpu(problem), ring, rung);
}

// In addition to the rounding in the backward pass, delta = rowsum(dO * out) is computed from out as it is stored,
// with an error u |out|, and from P as tensor cores rounded it, with an error u P |V|. The first contributes
// u rowsum(|dO * out|), which is a term of the magnitude; the second changes dS_ij by u P_ij times the mean of
// |dO| |V|^T over the keys, which is one more such term on average.
double ring_bound(const BackwardProblem& problem) {
  return problem.gradients_bound() + (problem.dtype == Dtype::f32 ? 0 : 2 * unit_roundoff(problem.dtype));
}

void check_ring(const Gradients<float>& found, const BackwardProblem& problem) {
  check_right(found, problem, ring_bound(problem));
}

// Lengths, heads, mask and storage type are random
BackwardProblem small_problem(Random& random, Index D, Index Dv) {
  const Extents extents = random_extents(random, 30, D, Dv);
  return BackwardProblem(random, gpu_dtypes[random.below(3)], extents, random_mask(random, 20),
                         random.below(2) ? CausalAlign::bottom_right : CausalAlign::top_left);
}

UsageCounter usage_of(const BackwardProblem& problem, const RingOptions& ring) {
  UsageCounter usage;
  gpu::Tracing tracing(usage, ring.devices);
  on_gpu(problem, on_gpu(problem), ring, gpu::backward_ladder().front(), &tracing);
  return usage;
}

}  // namespace

TEST_CASE("the gradients of a ring on the GPU match the definition for every partition") {
  Random random(1);
  for (const gpu::BackwardRung& rung : gpu::backward_ladder())
    for (int n = 0; n < trials(rung.number == 1 ? 14 : 3); ++n) {
      const BackwardProblem problem =
          rung.number == 1 ? small_problem(random, 5, 7) : small_problem(random, 64, 64);
      const RingOptions ring = random_options(random, rung.number == 1 ? 16 : 4);
      INFO(std::string(rung.name) << ", " << describe(ring));
      check_ring(on_gpu(problem, ring, rung), problem);
    }
}

TEST_CASE("exchange by handover, copy or NCCL, overlapped or not, gives the same bits backward") {
  Random random(2);
  const auto nccl = gpu::Communicator::is_available() ? std::make_unique<gpu::Communicator>() : nullptr;
  for (const gpu::BackwardRung& rung : gpu::backward_ladder()) {
    if (!rung.deterministic) continue;
    for (const Rotation rotate : all_rotations)
      for (int n = 0; n < trials(rung.number == 1 ? 2 : 1); ++n) {
        const BackwardProblem problem =
            rung.number == 1 ? small_problem(random, 5, 7) : small_problem(random, 64, 64);
        const AttentionOutput<float> forward = on_gpu(problem);
        RingOptions ring = random_options(random);
        ring.devices = static_cast<int>(3 + random.below(3));  // enough that result blocks are reused
        ring.rotate = rotate, ring.exchange = Exchange::move, ring.overlap = false;
        const Gradients<float> expected = on_gpu(problem, forward, ring, rung);
        for (int again = 0; again < 4; ++again) {
          ring.exchange = again == 0 ? Exchange::move : Exchange::copy;
          ring.overlap = again != 1;
          INFO(std::string(rung.name) << ", " << describe(ring));
          CHECK(
              same_bits(on_gpu(problem, forward, {ring, again == 2 ? nccl.get() : nullptr}, rung), expected));
        }
      }
  }
}

TEST_CASE("more devices than rows, backward: some have no queries, no keys, or neither") {
  Random random(3);
  for (const gpu::BackwardRung& rung : gpu::backward_ladder())
    for (const Rotation rotate : all_rotations) {
      const BackwardProblem problem(random, Dtype::bf16,
                                    {.B = 1, .Sq = 3, .Skv = 5, .Hq = 2, .Hkv = 1, .D = 64, .Dv = 64},
                                    {.causal = true});
      RingOptions ring = ring_of(9, Layout::striped);
      ring.rotate = rotate;
      check_ring(on_gpu(problem, ring, rung), problem);
    }
}

TEST_CASE("a row that attends to no key adds to no gradient in a ring on the GPU") {
  Random random(4);
  for (const Rotation rotate : all_rotations) {
    const BackwardProblem problem(random, Dtype::f16,
                                  {.B = 1, .Sq = 20, .Skv = 7, .Hq = 2, .Hkv = 1, .D = 64, .Dv = 64},
                                  {.causal = true});
    RingOptions ring = ring_of(3, Layout::zigzag);
    ring.rotate = rotate;
    for (const gpu::BackwardRung& rung : gpu::backward_ladder()) {
      const Gradients<float> found = on_gpu(problem, ring, rung);
      for (Index i = 0; i < 13; ++i) CHECK(found.dq.head(0, 0).row(i).isZero(0));
      check_ring(found, problem);
    }
  }
}

TEST_CASE("masked entries may be infinite or NaN in the backward pass, in every rung") {
  Random random(5);
  const int highest = gpu::backward_ladder().back().number;
  for (const float hidden : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    for (const Rotation rotate : all_rotations) {
      RingOptions ring = ring_of(3, Layout::striped);
      ring.rotate = rotate;
      // The last four keys are visible to no query, and the first four queries attend to no key
      const Extents long_K{.B = 1, .Sq = 5, .Skv = 9, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64};
      BackwardProblem keys(random, Dtype::bf16, long_K, {.causal = true}, CausalAlign::top_left);
      const Extents long_Q{.B = 1, .Sq = 9, .Skv = 5, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64};
      BackwardProblem queries(random, Dtype::bf16, long_Q, {.causal = true});
      for (Tensor<float>* tensor : {&keys.narrow.K, &keys.narrow.V})
        tensor->head(0, 0).bottomRows(4).setConstant(hidden);
      for (Tensor<float>* tensor : {&queries.narrow.Q, &queries.narrow.dout})
        tensor->head(0, 0).topRows(4).setConstant(hidden);
      for (const BackwardProblem* problem : {&keys, &queries}) {
        const Problem<float> narrow = problem->narrow.problem();
        const gpu::BackwardRung& rung =
            gpu::rung_for(narrow, problem->narrow.cotangents(), problem->dtype, ring, highest, false);
        CHECK(rung.number == 1);
        check_ring(on_gpu(*problem, ring, gpu::backward_ladder().back()), *problem);
      }
    }
}

TEST_CASE("the row_term of a query is dlse - rowsum(dO * out), and 0 if it attends to no key") {
  Random random(10);
  constexpr float none = minus_infinity<float>;
  for (const Index dv : {1, 32, 77}) {
    const Shape rows{1, 3, 1, dv}, row{1, 3, 1, 1};
    const Tensor<float> dO = normal_tensor<float>(rows, random), out = normal_tensor<float>(rows, random);
    gpu::Stream stream;
    const auto upload = [&](const Tensor<float>& x) { return gpu::to_gpu(x, 3, Dtype::f32, stream); };
    const auto dO_there = upload(dO), out_there = upload(out), row_term = gpu::uninitialized(row, 4, stream);
    const auto vector = [&](float a, float b, float c) {
      Tensor<float> x(row);
      x(0, 0, 0, 0) = a, x(0, 1, 0, 0) = b, x(0, 2, 0, 0) = c;
      return upload(x);
    };
    const auto lse = vector(2, none, 3), dlse = vector(4, 5, 6);
    for (const bool with_dlse : {true, false}) {
      gpu::RowTermStep step{
          .element = gpu::Element::f32, .B = 1, .H = 1, .dv = int(dv), .devices = 1, .device = {}};
      step.device[0] = {dO_there->data(),      out_there->data(),
                        lse->as<float>(),      with_dlse ? dlse->as<float>() : nullptr,
                        row_term->as<float>(), 3};
      gpu::launch_row_terms(step, stream);
      const Tensor<float> found = gpu::from_gpu(*row_term, Dtype::f32, stream);
      for (const Index i : {0, 2}) {
        const double delta = dO.head(0, 0).row(i).cast<double>().dot(out.head(0, 0).row(i).cast<double>());
        const double expected = (with_dlse ? 4.0 + double(i) : 0.0) - delta;
        CHECK(found(0, i, 0, 0) == doctest::Approx(expected).epsilon(1e-5));
      }
      CHECK(found(0, 1, 0, 0) == 0);
    }
  }
}

TEST_CASE("an absent dlse counts as 0") {
  Random random(6);
  BackwardProblem problem = small_problem(random, 5, 7);
  problem.narrow.dlse = Tensor<float>(problem.narrow.dlse.shape());
  const AttentionOutput<float> forward = on_gpu(problem);
  const RingOptions ring = ring_of(3, Layout::zigzag);
  const Gradients<float> without = gpu::ring_attention_vjp(
      problem.narrow.problem(), forward, {problem.narrow.dout, {}}, problem.dtype, ring, 1, true);
  CHECK(same_bits(without, on_gpu(problem, forward, ring)));
}

TEST_CASE(
    "K and V make P - 1 hops backward and dK and dV one more, but none on a single device, and so do Q and "
    "dQ") {
  Random random(7);
  for (const int devices : {1, 2, 5}) {
    const BackwardProblem problem = small_problem(random, 5, 7);
    RingOptions ring = ring_of(devices, Layout::zigzag);
    for (const auto& [rotate, ahead, behind] :
         {std::tuple{Rotation::kv, "K V", "dK dV"}, {Rotation::q, "Q dO lse row_term", "dQ"}}) {
      ring.rotate = rotate;
      UsageCounter usage = usage_of(problem, ring);
      for (int owner = 0; owner < devices; ++owner) {
        CHECK(usage.hops[{ahead, owner}] == devices - 1);
        CHECK(usage.hops[{behind, owner}] == (devices > 1 ? devices : 0));
      }
    }
  }
}

TEST_CASE(
    "a device holds its share, two travelling blocks and three result blocks backward, for any number of "
    "devices") {
  Random random(8);
  constexpr Index B = 2, H = 4, Hkv = 2, D = 5, Dv = 7, q = 3, kv = 4;
  for (const int devices : {2, 7}) {
    const BackwardProblem problem(
        random, Dtype::bf16,
        {.B = B, .Sq = q * devices, .Skv = kv * devices, .Hq = H, .Hkv = Hkv, .D = D, .Dv = Dv});
    const Index Q = 2 * B * H * q * D + 4 * q, dO = 2 * B * H * q * Dv, row = 4 * B * H * q,
                dQ = 4 * B * H * q * D, KV = 2 * B * Hkv * kv * (D + Dv) + 4 * kv,
                dK_dV = 4 * B * Hkv * kv * (D + Dv);
    RingOptions ring = ring_of(devices, Layout::contiguous);
    for (auto& [device, bytes] : usage_of(problem, ring).bytes)
      CHECK(bytes == Q + dO + dQ + 2 * row + 2 * KV + 3 * dK_dV);
    ring.rotate = Rotation::q;
    for (auto& [device, bytes] : usage_of(problem, ring).bytes)
      CHECK(bytes == KV + dK_dV + 2 * (Q + dO + 2 * row) + 3 * dQ);
  }
}

TEST_CASE("the backward pass rejects the same unsupported options as the forward pass") {
  Random random(9);
  BackwardProblem problem = small_problem(random, 5, 7);
  const AttentionOutput<float> forward = on_gpu(problem);
  problem.narrow.scoring.softcap = 3;
  CHECK(contains(error_message([&] { on_gpu(problem, forward, {}); }), "found softcap 3"));
  problem.narrow.scoring.softcap = 0;
  const Cotangents<float> of_another_shape{problem.narrow.Q, {}};
  CHECK(error_message([&] {
          gpu::ring_attention_vjp(problem.narrow.problem(), forward, of_another_shape, problem.dtype, {}, 1,
                                  true);
        }) != "");
}
