// Right kernels: nothing may be found.

#include <doctest/doctest.h>

#include "reference/definition/random.h"
#include "tests/oracle/examine/examined_rule.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

Index between(Random& random, Index least, Index greatest) {
  return least + static_cast<Index>(random.below(greatest - least + 1));
}

Kernel random_kernel(Random& random) {
  constexpr Precision precisions[] = {Precision::f64, Precision::f32, Precision::tf32, Precision::bf16,
                                      Precision::f16};
  Kernel kernel;
  kernel.precision = precisions[random.below(5)];
  const bool narrow = kernel.precision == Precision::bf16 || kernel.precision == Precision::f16;
  kernel.stored = kernel.precision == Precision::f64    ? Dtype::f64
                  : kernel.precision == Precision::bf16 ? Dtype::bf16
                  : kernel.precision == Precision::f16  ? Dtype::f16
                                                        : Dtype::f32;
  kernel.tile = random.below(3) > 0 ? between(random, 1, 40) : 0;
  kernel.right_to_left = random.below(2) > 0;
  kernel.devices = static_cast<int>(between(random, 1, 8));
  kernel.layout = all_layouts[static_cast<std::size_t>(random.below(3))];
  kernel.partials = static_cast<Partials>(random.below(3));
  kernel.fast_weights = narrow && random.below(3) == 0;
  return kernel;
}

ExaminedAttention random_attention(Random& random, const Kernel& kernel) {
  ExaminedAttention a;
  const Index Hkv = between(random, 1, 3), Hq = Hkv * between(random, 1, 3), B = between(random, 1, 2);
  const Index Sq = between(random, 3, 70), Skv = random.below(2) > 0 ? Sq : between(random, 3, 70);
  a.q = {B, Sq, Hq, between(random, 5, 40)};
  a.k = {B, Skv, Hkv, a.q.D}, a.v = {B, Skv, Hkv, between(random, 4, 40)};
  const CausalAlign align = random.below(2) > 0 ? CausalAlign::top_left : CausalAlign::bottom_right;
  a.q_positions = consecutive_positions(Sq, causal_offset(align, Sq, Skv));
  a.kv_positions = consecutive_positions(Skv);
  a.scoring.mask.causal = random.below(3) > 0;
  if (random.below(3) == 0) a.scoring.mask.window_left = random.below(Skv);
  if (random.below(4) == 0) a.scoring.mask.window_right = random.below(Skv);
  if (random.below(4) == 0) a.scoring.softcap = static_cast<double>(between(random, 2, 31));
  if (random.below(4) == 0)
    a.scoring.softmax_scale = (random.below(2) > 0 ? 1 : -1) * (0.02 + random.uniform());
  a.declared = kernel.declared(true);
  a.layout = kernel.layout, a.devices = kernel.devices;
  return a;
}

}  // namespace

TEST_CASE("nothing is found in right kernels of all precisions, tiles, layouts, masks and scores") {
  Random random(20);
  const int count = trials(200);
  for (int trial = 0; trial < count; ++trial) {
    const Kernel kernel = random_kernel(random);
    ExaminedAttention a = random_attention(random, kernel);
    const bool returns_lse = random.below(4) > 0;
    a.forward = [&](const Problem<double>& problem) {
      AttentionOutput<double> result = emulated_attention(problem, kernel);
      if (!returns_lse) result.lse = {};
      return result;
    };
    CAPTURE(trial);
    CAPTURE(kernel.describe());
    const Examination examination = examine(a);
    CAPTURE(kinds_of(examination));
    CHECK(examination.findings.empty());
    CHECK(examination.explained);
    CHECK(examination.error <= 2);  // partial results may be rounded again
    CHECK(examination.calls <= 40 + 2 * a.k.S / a.v.D);
  }
}

TEST_CASE(
    "nothing is found in the backward pass of right kernels of all precisions, shapes, masks and scores") {
  Random random(21);
  const int count = trials(30);
  for (int trial = 0; trial < count; ++trial) {
    const Kernel kernel = random_kernel(random);
    ExaminedAttention a = random_attention(random, kernel);
    a.forward = [&](const Problem<double>& problem) { return emulated_attention(problem, kernel); };
    a.backward = [&](const Problem<double>& problem, const Tensor<double>& dout) {
      return emulated_vjp(problem, emulated_attention(problem, kernel), {dout, {}}, kernel);
    };
    CAPTURE(trial);
    CAPTURE(kernel.describe());
    const Examination examination = examine(a);
    CAPTURE(kinds_of(examination));
    CHECK(examination.findings.empty());
  }
}

TEST_CASE("nothing is found in right attention of packed documents and of positions that the user gives") {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    ExaminedRule rule(precision, 41, 41);
    const PackedPositions packed =
        packed_positions({0, 5, 5, 23, 41}, {0, 5, 5, 23, 41}, CausalAlign::bottom_right, 41, 41);
    rule.attention.q_positions = packed.q, rule.attention.kv_positions = packed.kv;
    CHECK(rule.examine().findings.empty());

    RowPositions scattered(2, 41);
    for (Index b = 0; b < 2; ++b)
      for (Index n = 0; n < 41; ++n) scattered.of(b)[static_cast<std::size_t>(n)] = {(n * 7 + b) % 41, 0};
    rule.attention.q_positions = rule.attention.kv_positions = scattered;
    CHECK(rule.examine().findings.empty());
  }
}

TEST_CASE(
    "a right implementation in float32 that is declared as such has weights that agree with the right ones") {
  const ExaminedRule rule(Precision::f32, 37, 29);
  const Examination examination = rule.examine();
  for (const HeadReadout& head : examination.heads) {
    CHECK((head.varied.found - head.varied.right).cwiseAbs().maxCoeff() <= 2e-7);
    CHECK((head.even.found - head.even.right).cwiseAbs().maxCoeff() <= 2e-7);
  }
}
