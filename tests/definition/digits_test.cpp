// Inputs for which no right result can be formed are refused: scores without digits, and sums beyond the largest number
// of their type. The ring is exact up to these limits.

#include <doctest/doctest.h>

#include "reference/definition/error/digits.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/ground_truth.h"
#include "tests/support/ring_run.h"

using namespace ringattn;

namespace {

constexpr Extents extents{.B = 2, .Sq = 13, .Skv = 17, .Hq = 4, .Hkv = 2, .D = 7, .Dv = 5};

template <class T>
void scale_by(Tensor<T>& tensor, double factor) {
  for (Index n = 0; n < tensor.size(); ++n)
    tensor.data()[n] = static_cast<T>(factor * static_cast<double>(tensor.data()[n]));
}

RandomProblem<double> drawn() {
  Random random(1);
  return normal_problem(random, extents);
}

template <class T>
std::string refusal(const RandomProblem<T>& p) {
  return bad_input_message([&] { require_digits("test", p.problem(), p.cotangents(), p.dtype); });
}

}  // namespace

TEST_CASE("scores are refused if rounding leaves their weights no digits, in float earlier than in double") {
  RandomProblem<double> p = drawn();
  CHECK(refusal(p).empty());
  scale_by(p.Q, 1e6);
  CHECK(refusal(p).empty());
  check_message(refusal(p.as<float>()), "[test] scores must be small enough for float32");
  scale_by(p.Q, 1e9);
  check_message(refusal(p), "[test] scores must be small enough for float64");
  scale_by(p.Q, 1e290);
  check_message(refusal(p), "[test] scores must be small enough for float64");
}

TEST_CASE("factors of any magnitude are accepted if their product is a score near 1") {
  RandomProblem<double> p = drawn();
  scale_by(p.Q, 1e-200), scale_by(p.K, 1e200);
  p.dout = Tensor<double>(p.dout.shape());
  scale_by(p.dlse, 1e-10);
  CHECK(refusal(p).empty());
}

TEST_CASE(
    "values are refused if their sum over the keys may overflow, and below that limit the ring is exact") {
  RandomProblem<double> p = drawn();
  scale_by(p.dout, 0x1p-100), scale_by(p.dlse, 0);
  SUBCASE("refused") {
    scale_by(p.V, 0x1p125);
    check_message(refusal(p.as<float>()), "the sum of the weighted values");
  }
  SUBCASE("exact") {
    scale_by(p.V, 0x1p118);
    const RandomProblem<float> given = p.as<float>();
    CHECK(refusal(given).empty());
    const RandomProblem<double> widened = given.as<double>();
    RingOptions options;
    options.devices = 3;
    const RingRun<float> run(given, options);
    CHECK(worst_error(run, GroundTruth(widened)) <= 3 * float32_bound(widened));
  }
}

TEST_CASE("gradients are refused if a product of dout and V may overflow") {
  RandomProblem<double> p = drawn();
  scale_by(p.V, 1e20), scale_by(p.dout, 1e20);
  CHECK(refusal(p).empty());
  check_message(refusal(p.as<float>()), "the gradient of a score");
  check_message(bad_input_message([&] {
                  require_finite_results("test", p.problem(), p.cotangents(), {1e30, 1e300});
                }),
                "the gradient of a score");
}

TEST_CASE("the error of a result is measured alike at every magnitude of its values") {
  for (const double factor : {1e-300, 1e-160, 1.0, 1e160, 1e300}) {
    RandomProblem<double> p = drawn();
    scale_by(p.V, factor);
    const AttentionOutput<double> truth = attention(p.problem()), size = attention_magnitude(p.problem());
    Tensor<double> wrong = truth.out;
    CHECK(compare<double>(wrong, truth.out, size.out).within(0));
    wrong(1, 12, 3, 4) += 1e-3 * factor;
    const Comparison c = compare<double>(wrong, truth.out, size.out);
    CHECK(c.within(1e-2));
    CHECK(!c.within(1e-5));
  }
}
