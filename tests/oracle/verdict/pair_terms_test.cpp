// Check of cases with values for single pairs of query and key: bias, boolean mask and dropout. Right results of every
// precision pass; zeros, negated and exchanged results and those that ignore the values never do.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/oracle/check.h"
#include "tests/oracle/verdict/emulated_kernel.h"
#include "tests/oracle/verdict/wrong_results.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

constexpr Kernel kernels[] = {{.precision = Precision::f64, .stored = Dtype::f64, .tile = 5},
                              {.precision = Precision::f32, .stored = Dtype::f32, .tile = 3},
                              {.precision = Precision::tf32, .stored = Dtype::f32},
                              {.precision = Precision::bf16, .stored = Dtype::bf16, .tile = 8},
                              {.precision = Precision::f16, .stored = Dtype::f16, .right_to_left = true}};

// Some of a bias, a mask and dropout. Values of the bias are normal, large, so large that their sum with a score is
// rounded much, hide the key, or hide it as large negative numbers do; some are repeated along an axis
void draw_pair_terms(RandomProblem<double>& p, Random& random) {
  const Extents e = p.extents();
  const auto extent = [&](Index whole) { return random.below(3) == 0 ? Index{1} : whole; };
  const std::int64_t kind = random.below(4);
  if (kind == 0 || random.below(2)) {
    const Index B = extent(e.B), H = extent(e.Hq), Sq = extent(e.Sq), Skv = extent(e.Skv);
    const double size = random.below(3) == 0 ? 40 : 1.5, middle = random.below(2) == 0 ? 3000 : 0;
    p.bias = PairTensor<double>(B, H, Sq, Skv);
    for (Index b = 0; b < B; ++b)
      for (Index h = 0; h < H; ++h)
        for (Index i = 0; i < Sq; ++i)
          for (Index j = 0; j < Skv; ++j) {
            double& bias = p.bias(b, h, i, j) = rounded(middle + size * random.normal(), Dtype::f32);
            if (random.below(9) == 0) bias = j % 2 ? -infinity : -0x1p30;
          }
  }
  const auto booleans = [&](std::int64_t one_false_in) {
    const PairTensor<bool> drawn(e.B, e.Hq, e.Sq, e.Skv);
    for (Index b = 0; b < e.B; ++b)
      for (Index h = 0; h < e.Hq; ++h)
        for (Index i = 0; i < e.Sq; ++i)
          for (Index j = 0; j < e.Skv; ++j) drawn(b, h, i, j) = random.below(one_false_in) != 0;
    return drawn;
  };
  if (kind == 1) p.allowed = booleans(3);
  if (kind == 2) p.keep = booleans(4), p.dropout_p = 0.25 + random.uniform() / 2;
}

struct PairCase {
  RandomProblem<double> p;
  Kernel kernel;
  ImplementationPrecision declared;
  WrongResults results;
};

// A random case with the results of a kernel; nothing if it has no pair terms
std::optional<PairCase> draw_case(Random& random, const Kernel& kernel) {
  PairCase drawn{random_problem(random, {.longest = 24, .widest = 12}), kernel, {}, {}};
  draw_pair_terms(drawn.p, random);
  if (!drawn.p.problem().has_pair_terms()) return {};
  const bool exact = random.below(2) == 0;
  if (exact) make_exact(drawn.p, kernel.precision);
  drawn.declared = kernel.declared(exact);
  drawn.results.forward = emulated_attention(drawn.p.problem(), kernel);
  drawn.results.gradients =
      emulated_vjp(drawn.p.problem(), drawn.results.forward, drawn.p.cotangents(), kernel);
  return drawn;
}

}  // namespace

TEST_CASE("right results with a bias, a boolean mask or dropout pass in every precision") {
  Random random(51);
  int judged = 0;
  double largest = 0;
  for (int n = 0; n < trials(200); ++n) {
    const auto drawn = draw_case(random, kernels[n % 5]);
    if (!drawn) continue;
    CAPTURE(drawn->p.describe());
    CAPTURE(drawn->kernel.describe());
    const auto report = report_on(drawn->p, drawn->results, drawn->declared, {});
    if (!report) continue;
    ++judged;
    largest = std::max(largest, report->worst_ratio);
    CHECK(report->worst_ratio <= 1);
    CHECK(!report->diagnosis());
    CHECK(!report->undetectable);
    for (const Law& law : report->laws) CHECK_MESSAGE(law.holds(), law.id);
  }
  CHECK(judged >= trials(100));
  CHECK(largest >= 0.1);
}

TEST_CASE("zeros, negated and exchanged results with a bias, a boolean mask or dropout never pass") {
  Random random(52);
  int rejected = 0;
  for (int n = 0; n < trials(120); ++n) {
    const auto drawn = draw_case(random, kernels[n % 5]);
    if (!drawn) continue;
    CAPTURE(drawn->p.describe());
    CAPTURE(drawn->kernel.describe());
    rejected += check_never_passes(drawn->p, drawn->results, drawn->declared);
  }
  CHECK(rejected >= trials(200));
}

TEST_CASE("results that ignore the bias, the boolean mask or dropout never pass") {
  Random random(53);
  int rejected = 0;
  for (int n = 0; n < trials(200); ++n) {
    const auto drawn = draw_case(random, kernels[n % 5]);
    if (!drawn) continue;
    Problem<double> ignoring = drawn->p.problem();
    ignoring.bias = {}, ignoring.allowed = {}, ignoring.dropout = {};
    const WrongResults wrong{emulated_attention(ignoring, drawn->kernel), {}};
    CAPTURE(drawn->p.describe());
    CAPTURE(drawn->kernel.describe());
    if (!far_apart(drawn->p.problem(), wrong.forward.out)) continue;
    if (const auto report = report_on(drawn->p, wrong, drawn->declared, {})) {
      CHECK(report->verdict == Verdict::fail);
      CHECK(!report->diagnosis());
      ++rejected;
    }
  }
  CHECK(rejected >= trials(60));
}

TEST_CASE("a case with a bias says that no mistake is named") {
  Random random(54);
  PairCase drawn{normal_problem(random, {.B = 1, .Sq = 9, .Skv = 11, .Hq = 2, .Hkv = 1, .D = 8, .Dv = 6}),
                 kernels[0],
                 kernels[0].declared(true),
                 {}};
  drawn.p.bias = PairTensor<double>(1, 1, 9, 11);
  drawn.results.forward = attention(drawn.p.problem());
  drawn.results.forward.out(0, 4, 1, 3) += 1;
  const auto report = report_on(drawn.p, drawn.results, drawn.declared, {});
  REQUIRE(report);
  CHECK(report->verdict == Verdict::fail);
  CHECK(!report->diagnosis());
  CHECK(std::any_of(report->remarks.begin(), report->remarks.end(), [](const std::string& remark) {
    return remark.find("no mistakes of cases with a bias") != std::string::npos;
  }));
}

TEST_CASE("the report says which of bias, boolean mask and dropout a result ignores or reads otherwise") {
  Random random(55);
  const Kernel& kernel = kernels[1];
  RandomProblem<double> p =
      normal_problem(random, {.B = 2, .Sq = 19, .Skv = 23, .Hq = 3, .Hkv = 1, .D = 16, .Dv = 14});
  const PairTensor<double> bias(2, 3, 19, 23);
  const PairTensor<bool> mask(2, 3, 19, 23), opposite(2, 3, 19, 23);
  for (Index b = 0; b < 2; ++b)
    for (Index h = 0; h < 3; ++h)
      for (Index i = 0; i < 19; ++i)
        for (Index j = 0; j < 23; ++j) {
          bias(b, h, i, j) = 2 * random.normal();
          mask(b, h, i, j) = random.below(3) != 0, opposite(b, h, i, j) = !mask(b, h, i, j);
        }

  // What the case has, what the implementation has, and what the report says of it
  const auto said = [&](const auto& set_right, const auto& set_wrong) {
    RandomProblem<double> right = p, wrong = p;
    set_right(right), set_wrong(wrong);
    const WrongResults results{emulated_attention(wrong.problem(), kernel), {}};
    const auto report = report_on(right, results, kernel.declared(false));
    REQUIRE(report);
    CHECK(report->verdict == Verdict::fail);
    std::string sentences;
    for (const MeasuredFinding& finding : report->measured->findings) sentences += finding.sentence + "; ";
    return sentences;
  };
  const auto nothing = [](auto&) {};
  const auto with_bias = [&](auto& q) { q.bias = bias; };
  const auto with_mask = [&](auto& q) { q.allowed = mask; };
  const auto with_dropout = [&](auto& q) { q.keep = mask, q.dropout_p = 0.375; };
  check_message(said(with_bias, nothing),
                "out: all rows of all heads of all sequences are those without the bias");
  check_message(said(with_bias, nothing),
                "lse: all rows of all heads of all sequences are those without the bias");
  check_message(said(with_mask, nothing), "are those without the boolean mask");
  check_message(said(with_mask, [&](auto& q) { q.allowed = opposite; }),
                "attend to the keys that the mask hides");
  check_message(said(with_dropout, nothing), "are those without dropout");
  check_message(said(with_dropout, [&](auto& q) { q.keep = mask, q.dropout_p = 0; }),
                "lack the factor 1 / (1 - p)");
  check_message(said(with_dropout, [&](auto& q) { q.keep = opposite, q.dropout_p = 0.375; }),
                "drop the pairs that keep keeps");
}
