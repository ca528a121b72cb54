// Tests of the kernel ladder: every rung is correct for every shape, or rejects it.

#include <doctest/doctest.h>

#include "reference/cli/backend/backend.h"
#include "reference/definition/minus_infinity.h"
#include "tests/gpu/gpu_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

void check_right(const AttentionOutput<float>& found, const GpuProblem& problem) {
  const AttentionOutput<double> truth = attention(problem.drawn.problem()),
                                size = attention_magnitude(problem.drawn.problem());
  CAPTURE(problem.drawn.describe());
  CHECK(worst_error(found.out, truth.out, size.out) <= problem.out_bound());
  CHECK(worst_error(found.lse, truth.lse, size.lse) <= problem.lse_bound());
}

}  // namespace

TEST_CASE("every rung matches the definition for any lengths, heads and masks") {
  Random random(1);
  for (const gpu::Rung& rung : gpu::ladder())
    for (const Dtype dtype : gpu_dtypes)
      for (const Index d : {64, 128})
        for (int n = 0; n < trials(3); ++n) {
          const GpuProblem problem(random, dtype, random_extents(random, 150, d, d), random_mask(random, 90),
                                   random.below(2) ? CausalAlign::bottom_right : CausalAlign::top_left);
          const RingOptions ring = random_options(random, 4);
          INFO(std::string(rung.name) << ", " << std::string(name(dtype)) << ", " << describe(ring));
          check_right(on_gpu(problem, ring, rung.number), problem);
        }
}

TEST_CASE("masks may begin and end inside, before and after a tile") {
  Random random(5);
  for (const Mask& mask :
       {Mask{}, Mask{.causal = true}, Mask{.window_left = 30}, Mask{.window_right = 30},
        Mask{.causal = true, .window_left = 70}, Mask{.window_left = 3, .window_right = 2}}) {
    const GpuProblem problem(random, Dtype::bf16,
                             {.B = 1, .Sq = 200, .Skv = 260, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64}, mask);
    for (const gpu::Rung& rung : gpu::ladder()) {
      INFO(std::string(rung.name));
      check_right(on_gpu(problem, {}, rung.number), problem);
    }
  }
}

TEST_CASE("the option --rung accepts the numbers of all rungs") {
  CHECK(gpu::ladder().back().number == cli::highest_rung_number);
}

TEST_CASE("if a rung rejects a shape, the next lower rung takes it") {
  Random random(2);
  for (const auto& [d, dv] : {std::pair<Index, Index>{7, 7}, {64, 128}, {33, 5}, {32, 32}}) {
    const GpuProblem problem(random, Dtype::bf16,
                             {.B = 1, .Sq = 21, .Skv = 34, .Hq = 2, .Hkv = 1, .D = d, .Dv = dv});
    check_right(on_gpu(problem), problem);
  }
}

TEST_CASE("a row that attends to no key is 0, and its lse is minus infinity") {
  Random random(3);
  for (const gpu::Rung& rung : gpu::ladder()) {
    const GpuProblem problem(random, Dtype::bf16,
                             {.B = 1, .Sq = 70, .Skv = 9, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64},
                             {.causal = true});
    const AttentionOutput<float> found = on_gpu(problem, ring_of(3, Layout::contiguous), rung.number);
    for (Index i = 0; i < 61; ++i) {
      CHECK(found.out.head(0, 0).row(i).isZero(0));
      CHECK(found.lse(0, i, 0, 0) == minus_infinity<float>);
    }
    check_right(found, problem);
  }
}

TEST_CASE("masked entries may be infinite or NaN on the GPU") {
  Random random(6);
  GpuProblem problem(random, Dtype::bf16, {.B = 1, .Sq = 5, .Skv = 9, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64},
                     {.window_right = 0}, CausalAlign::top_left);
  const GpuProblem finite = problem;
  for (const float hidden :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    problem.narrow = finite.narrow;
    problem.narrow.K.head(0, 0).bottomRows(4).setConstant(hidden);
    for (const gpu::Rung& rung : gpu::ladder())
      check_right(on_gpu(problem, ring_of(2, Layout::zigzag), rung.number), finite);
    problem.narrow.V.head(0, 0).bottomRows(4).setConstant(hidden);
    check_right(on_gpu(problem, ring_of(2, Layout::zigzag)), finite);
  }
}

TEST_CASE("huge scores do no harm on the GPU") {
  Random random(4);
  for (const gpu::Rung& rung : gpu::ladder()) {
    GpuProblem problem(random, Dtype::f16,
                       {.B = 1, .Sq = 40, .Skv = 77, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64});
    problem.drawn.scoring.softmax_scale = problem.narrow.scoring.softmax_scale = 30;
    check_right(on_gpu(problem, ring_of(2, Layout::zigzag), rung.number), problem);
  }
}
