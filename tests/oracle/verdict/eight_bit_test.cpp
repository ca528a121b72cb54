// Check of implementations whose matrix products have operands of 8 bits: right ones pass, those that forget a factor
// do not.

#include <doctest/doctest.h>

#include "reference/oracle/check.h"
#include "tests/oracle/verdict/emulated_kernel.h"
#include "tests/oracle/verdict/wrong_results.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

struct Factors {
  double q = 1, k = 1, v = 1;
};

// Tensors of 8 bits with one factor each. _stored_ holds the numbers of the file, _truth_ these times their factors
struct EightBitCase {
  RandomProblem<double> stored, truth;
  Factors factors;
};

EightBitCase draw_case(Random& random, Precision precision) {
  EightBitCase drawn;
  RandomProblem<double>& p = drawn.stored;
  p = normal_problem(random, {.B = 1,
                              .Sq = 5 + random.below(4),
                              .Skv = 45 + random.below(50),
                              .Hq = 2,
                              .Hkv = 1,
                              .D = 9 + random.below(8),
                              .Dv = 18 + random.below(5)});
  p.scoring.softmax_scale = 0.2;
  for (Tensor<double>* tensor : {&p.Q, &p.K, &p.V}) {
    for (Index n = 0; n < tensor->size(); ++n) tensor->data()[n] *= 40;
    round_to(precision, *tensor);
  }
  const auto factor = [&] { return (0.8 + random.uniform() / 3) / 40; };
  drawn.factors = {factor(), factor(), factor()};
  drawn.truth = p;
  const auto multiply = [](Tensor<double>& tensor, double by) {
    for (Index n = 0; n < tensor.size(); ++n) tensor.data()[n] *= by;
  };
  multiply(drawn.truth.Q, drawn.factors.q), multiply(drawn.truth.K, drawn.factors.k);
  multiply(drawn.truth.V, drawn.factors.v);
  return drawn;
}

// A kernel on the numbers of the file, which multiplies scores and out by the factors
WrongResults results_of(const EightBitCase& drawn, const Kernel& kernel, const Factors& factors) {
  RandomProblem<double> p = drawn.stored;
  p.scoring.softmax_scale = p.scoring.softmax_scale.value() * factors.q * factors.k;
  Kernel wide = kernel;
  wide.stored = Dtype::f32;
  WrongResults results{emulated_attention(p.problem(), wide), {}};
  for (Index n = 0; n < results.forward.out.size(); ++n)
    results.forward.out.data()[n] = rounded(results.forward.out.data()[n] * factors.v, kernel.stored);
  return results;
}

Kernel tiled_kernel(Random& random, Precision precision) {
  constexpr Index tiles[] = {0, 16, 32};
  return {.precision = precision,
          .stored = random.below(2) ? Dtype::bf16 : Dtype::f32,
          .tile = tiles[random.below(3)],
          .fast_weights = random.below(2) == 0};
}

}  // namespace

TEST_CASE("kernels that round P to 8 bits pass if this is declared, and not if bf16 is declared") {
  Random random(71);
  int judged = 0, too_precise = 0;
  double largest = 0;
  for (int n = 0; n < trials(120); ++n) {
    const Precision precision = n % 3 ? Precision::e4m3 : Precision::e5m2;
    const EightBitCase drawn = draw_case(random, precision);
    const Kernel kernel = tiled_kernel(random, precision);
    CAPTURE(drawn.stored.describe());
    CAPTURE(kernel.describe());
    const WrongResults results = results_of(drawn, kernel, drawn.factors);
    if (const auto report = report_on(drawn.truth, results, kernel.declared(true))) {
      ++judged;
      largest = std::max(largest, report->worst_ratio);
      CHECK(report->worst_ratio <= 1);
    }
    if (n % 6 != 0) continue;
    ImplementationPrecision wide = kernel.declared(true);
    wide.implementation = Precision::bf16;
    const auto report = report_on(drawn.truth, results, wide);
    too_precise += report && report->verdict == Verdict::fail;
  }
  CHECK(judged >= trials(100));
  CHECK(largest >= 0.2);
  CHECK(too_precise >= trials(15));
}

TEST_CASE("a kernel of 8 bits that forgets a factor never passes") {
  Random random(72);
  int rejected = 0;
  for (int n = 0; n < trials(60); ++n) {
    const Precision precision = n % 3 ? Precision::e4m3 : Precision::e5m2;
    const EightBitCase drawn = draw_case(random, precision);
    const Kernel kernel = tiled_kernel(random, precision);
    CAPTURE(drawn.stored.describe());
    CAPTURE(kernel.describe());
    Factors forgotten = drawn.factors;
    (n % 2 ? forgotten.v : forgotten.k) = 1;
    const WrongResults wrong = results_of(drawn, kernel, forgotten);
    if (!far_apart(drawn.truth.problem(), wrong.forward.out)) continue;
    const auto report = report_on(drawn.truth, wrong, kernel.declared(true));
    if (!report) continue;
    ++rejected;
    CHECK(report->verdict == Verdict::fail);
    if (n % 4 == 0)
      check_never_passes(drawn.truth, results_of(drawn, kernel, drawn.factors), kernel.declared(true));
  }
  CHECK(rejected >= trials(40));
}

TEST_CASE("an operand of 8 bits holds exactly the numbers of its type") {
  for (const double x : {0.0, 0x1p-9, -448.0, 1.125, 240.0}) CHECK(held_exactly(Precision::e4m3, x));
  for (const double x : {0x1p-10, 449.0, 1.0625, 480.0}) CHECK_FALSE(held_exactly(Precision::e4m3, x));
  for (const double x : {0.0, 0x1p-16, 57344.0, 1.25}) CHECK(held_exactly(Precision::e5m2, x));
  for (const double x : {0x1p-17, 65536.0, 1.125}) CHECK_FALSE(held_exactly(Precision::e5m2, x));
}
