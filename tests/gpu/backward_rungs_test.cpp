// Tests of the backward ladder: every rung is correct for every step, or rejects it.

#include <doctest/doctest.h>

#include "tests/gpu/backward_blocks.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// A ring, one block of queries with several blocks of keys, or the reverse
Partition random_partition(Random& random, const BackwardProblem& problem) {
  const int blocks = static_cast<int>(1 + random.below(4)), kind = static_cast<int>(random.below(3));
  const Extents e = problem.drawn.extents();
  return {random_partition(random, e.Sq, kind == 1 ? 1 : blocks),
          random_partition(random, e.Skv, kind == 2 ? 1 : blocks)};
}

// Rows _first_ to _last_ of all heads
void set_rows(Tensor<float>& tensor, Index first, Index last, float value) {
  for (Index b = 0; b < tensor.shape().B; ++b)
    for (Index h = 0; h < tensor.shape().H; ++h)
      tensor.head(b, h).middleRows(first, last - first + 1).setConstant(value);
}

}  // namespace

TEST_CASE("every rung of the backward pass matches the definition for any lengths, heads and masks") {
  Random random(1);
  for (const gpu::BackwardRung& rung : gpu::backward_ladder())
    for (const Dtype dtype : gpu_dtypes)
      for (const Index d : {64, 128})
        for (int n = 0; n < trials(3); ++n) {
          const BackwardProblem problem(random, dtype, random_extents(random, 190, d, d),
                                        random_mask(random, 90),
                                        random.below(2) ? CausalAlign::bottom_right : CausalAlign::top_left);
          if (!rung.unsupported_reason(problem.step()).empty()) continue;
          INFO(std::string(rung.name) << ", " << std::string(name(dtype)));
          check_right(on_gpu(problem, rung, random_partition(random, problem)), problem,
                      problem.gradients_bound());
        }
}

// In float16, where one pair too many or too few exceeds the error bound
TEST_CASE("backward masks may begin and end inside, before and after a tile") {
  Random random(2);
  for (const Mask& mask :
       {Mask{}, Mask{.causal = true}, Mask{.window_left = 30}, Mask{.window_right = 30},
        Mask{.causal = true, .window_left = 70}, Mask{.window_left = 3, .window_right = 2}}) {
    const BackwardProblem problem(
        random, Dtype::f16, {.B = 1, .Sq = 200, .Skv = 260, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64}, mask);
    for (const gpu::BackwardRung& rung : gpu::backward_ladder()) {
      INFO(std::string(rung.name));
      check_right(on_gpu(problem, rung), problem, problem.gradients_bound());
    }
  }
}

TEST_CASE("backward masks may begin and end at tile edges and one row before or after") {
  Random random(10);
  for (const int width : {0, 1, 62, 63, 64, 65, 126, 127, 128})
    for (const Mask& mask : {Mask{.window_left = width}, Mask{.window_right = width}}) {
      const BackwardProblem problem(random, Dtype::f16,
                                    {.B = 1, .Sq = 130, .Skv = 140, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64},
                                    mask, CausalAlign::top_left);
      for (const gpu::BackwardRung& rung : gpu::backward_ladder()) {
        INFO(std::string(rung.name));
        check_right(on_gpu(problem, rung), problem, problem.gradients_bound());
      }
    }
}

TEST_CASE("if a rung of the backward pass rejects a shape, the next lower rung takes it") {
  Random random(3);
  for (const auto& [d, dv] : {std::pair<Index, Index>{7, 7}, {64, 128}, {33, 5}, {32, 32}}) {
    const BackwardProblem problem(random, Dtype::bf16,
                                  {.B = 1, .Sq = 21, .Skv = 34, .Hq = 2, .Hkv = 1, .D = d, .Dv = dv});
    check_right(on_gpu(problem, gpu::backward_ladder().back()), problem, problem.gradients_bound());
  }
  const BackwardProblem negative(random, Dtype::f16,
                                 {.B = 1, .Sq = 21, .Skv = 34, .Hq = 2, .Hkv = 1, .D = 64, .Dv = 64},
                                 {.causal = true}, CausalAlign::top_left, -0.3);
  check_right(on_gpu(negative, gpu::backward_ladder().back()), negative, negative.gradients_bound());
}

TEST_CASE("a row that attends to no key has gradient 0 on the GPU, and its dlse is ignored") {
  Random random(4);
  for (const gpu::BackwardRung& rung : gpu::backward_ladder()) {
    const BackwardProblem problem(random, Dtype::bf16,
                                  {.B = 1, .Sq = 70, .Skv = 9, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64},
                                  {.causal = true});
    const Gradients<float> found = on_gpu(problem, rung, {{0, 23, 70}, {0, 5, 9}});
    for (Index i = 0; i < 61; ++i) CHECK(found.dq.head(0, 0).row(i).isZero(0));
    check_right(found, problem, problem.gradients_bound());
  }
}

TEST_CASE("masked entries may be infinite or NaN in the naive backward rung") {
  Random random(5);
  const gpu::BackwardRung& naive = gpu::backward_ladder().front();
  BackwardProblem keys(random, Dtype::bf16, {.B = 1, .Sq = 5, .Skv = 9, .Hq = 2, .Hkv = 1, .D = 64, .Dv = 64},
                       {.causal = true}, CausalAlign::top_left);
  BackwardProblem queries(random, Dtype::bf16,
                          {.B = 1, .Sq = 9, .Skv = 5, .Hq = 2, .Hkv = 1, .D = 64, .Dv = 64},
                          {.causal = true});
  for (const float hidden :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    for (Tensor<float>* tensor : {&keys.narrow.K, &keys.narrow.V}) set_rows(*tensor, 5, 8, hidden);
    check_right(on_gpu(keys, naive), keys, keys.gradients_bound());
    for (Tensor<float>* tensor : {&queries.narrow.Q, &queries.narrow.dout}) set_rows(*tensor, 0, 3, hidden);
    check_right(on_gpu(queries, naive), queries, queries.gradients_bound());
  }
}

// If a query attends to only one or two keys, its lse may be just as far below 0: masked pairs must not be
// weighted by exp(-lse)
TEST_CASE("huge scores do not break the backward pass") {
  Random random(6);
  for (const gpu::BackwardRung& rung : gpu::backward_ladder())
    for (const Dtype dtype : {Dtype::bf16, Dtype::f16})
      for (const Mask& mask : {Mask{.causal = true}, Mask{.window_left = 1, .window_right = 0}}) {
        INFO(std::string(rung.name));
        const BackwardProblem problem(random, dtype,
                                      {.B = 1, .Sq = 40, .Skv = 77, .Hq = 1, .Hkv = 1, .D = 64, .Dv = 64},
                                      mask, CausalAlign::bottom_right, 30);
        check_right(on_gpu(problem, rung, {{0, 11, 40}, {0, 60, 77}}), problem, problem.gradients_bound());
      }
}

TEST_CASE("the first launch writes the gradients, and later launches add to them") {
  Random random(7);
  const BackwardProblem problem(random, Dtype::f16,
                                {.B = 1, .Sq = 90, .Skv = 150, .Hq = 2, .Hkv = 1, .D = 64, .Dv = 64},
                                {.window_left = 40});
  for (const gpu::BackwardRung& rung : gpu::backward_ladder())
    for (const Partition& partition :
         {Partition{{0, 20, 20, 90}, {0, 150}}, Partition{{0, 90}, {0, 0, 70, 71, 150}},
          Partition{{0, 0, 89, 90}, {0, 64, 64, 150}}}) {
      INFO(std::string(rung.name));
      check_right(on_gpu(problem, rung, partition), problem, problem.gradients_bound());
    }
}

// Thread blocks with a slow warp, in which every buffer in shared memory is reused
TEST_CASE("the backward pass never overwrites a tile that is still being read") {
  Random random(11);
  const BackwardProblem problem(random, Dtype::bf16,
                                {.B = 2, .Sq = 260, .Skv = 40, .Hq = 15, .Hkv = 15, .D = 64, .Dv = 64});
  for (const gpu::BackwardRung& rung : gpu::backward_ladder().subspan(1)) {
    INFO(std::string(rung.name));
    check_right(on_gpu(problem, rung), problem, problem.gradients_bound());
  }
}

TEST_CASE("a deterministic rung of the backward pass gives the same bits in every run") {
  Random random(8);
  const BackwardProblem problem(random, Dtype::bf16,
                                {.B = 1, .Sq = 150, .Skv = 140, .Hq = 2, .Hkv = 1, .D = 64, .Dv = 64},
                                {.causal = true});
  for (const gpu::BackwardRung& rung : gpu::backward_ladder()) {
    if (!rung.deterministic) continue;
    INFO(std::string(rung.name));
    const Gradients<float> once = on_gpu(problem, rung);
    for (int n = 0; n < 3; ++n) CHECK(same_bits(on_gpu(problem, rung), once));
  }
}

TEST_CASE("backward launches over blocks of whole tiles give the same bits as one launch") {
  Random random(9);
  const BackwardProblem problem(random, Dtype::bf16,
                                {.B = 1, .Sq = 150, .Skv = 340, .Hq = 2, .Hkv = 2, .D = 64, .Dv = 64},
                                {.causal = true});
  for (const gpu::BackwardRung& rung : gpu::backward_ladder()) {
    if (!rung.deterministic) continue;
    INFO(std::string(rung.name));
    const Gradients<float> once = on_gpu(problem, rung);
    CHECK(same_bits(on_gpu(problem, rung, {{0, 150}, {0, 128, 256, 340}}), once));
    CHECK(same_bits(on_gpu(problem, rung, {{0, 128, 150}, {0, 340}}), once));
  }
}
