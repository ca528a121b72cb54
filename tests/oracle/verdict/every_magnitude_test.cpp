// The verdict at every magnitude: scores, V, dout and dlse are drawn from the whole range of their type. Correct
// kernels pass, and a result that is wrong by more than a quarter of the magnitude of its terms never does, unless the
// case is refused.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/error/magnitude.h"
#include "reference/oracle/check.h"
#include "tests/oracle/verdict/emulated_kernel.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// The exponents of the smallest and the largest power of two of a type
struct ExponentRange {
  int smallest, largest;

  int draw(Random& random) const { return smallest + static_cast<int>(random.below(largest - smallest + 1)); }
};

ExponentRange exponents_of(Precision precision) {
  switch (precision) {
    case Precision::f64:
      return {-1074, 1023};
    case Precision::f16:
      return {-24, 15};
    case Precision::f32:
    case Precision::tf32:
    case Precision::bf16:
    case Precision::e4m3:
    case Precision::e5m2:
      break;
  }
  return {-149, 127};
}

// What shares a magnitude: a tensor, a row, a column, or nothing
enum class Shared { tensor, row, column, element };

// Multiplies a tensor by powers of two from a random part of the range
void magnify(Tensor<double>& tensor, const ExponentRange& range, Random& random) {
  const auto shared = static_cast<Shared>(random.below(4));
  ExponentRange part = range;
  if (random.below(2) == 0) {  // magnitudes that fit together
    const int middle = range.draw(random);
    part = {std::max(range.smallest, middle - 12), std::min(range.largest, middle + 12)};
  }
  const int of_tensor = part.draw(random);
  std::vector<int> of_row, of_column;
  const Shape& s = tensor.shape();
  for (Index i = 0; i < s.S; ++i) of_row.push_back(part.draw(random));
  for (Index d = 0; d < s.D; ++d) of_column.push_back(part.draw(random));
  for (Index b = 0; b < s.B; ++b)
    for (Index i = 0; i < s.S; ++i)
      for (Index h = 0; h < s.H; ++h)
        for (Index d = 0; d < s.D; ++d) {
          const int exponent = shared == Shared::tensor   ? of_tensor
                               : shared == Shared::row    ? of_row[static_cast<std::size_t>(i)]
                               : shared == Shared::column ? of_column[static_cast<std::size_t>(d)]
                                                          : part.draw(random);
          tensor(b, i, h, d) = std::ldexp(tensor(b, i, h, d), exponent);
        }
}

void scale_by_power(Tensor<double>& tensor, int exponent) {
  for (Index n = 0; n < tensor.size(); ++n) tensor.data()[n] = std::ldexp(tensor.data()[n], exponent);
}

// Scores, V and the cotangents of any magnitude; two thirds of the tensors keep magnitudes near 1
RandomProblem<double> problem_of_any_magnitude(Random& random, Precision precision, Dtype stored) {
  RandomProblem<double> p = random_problem(random, {.longest = 14, .widest = 7});
  const ExponentRange range = exponents_of(precision);
  for (Tensor<double>* tensor : {&p.V, &p.dout, &p.dlse})
    if (random.below(3) == 0) magnify(*tensor, range, random);
  if (random.below(3) == 0) magnify(random.below(2) ? p.Q : p.K, {-6, 6}, random);
  if (random.below(3) == 0) {  // the magnitude of the scores, and how Q and K share it
    const int scores = random.below(2) ? -5 + static_cast<int>(random.below(25)) : range.draw(random),
              of_Q = range.draw(random) / 2;
    scale_by_power(p.Q, of_Q), scale_by_power(p.K, scores - of_Q);
  }
  const Dtype type = precision == Precision::f64   ? Dtype::f64
                     : precision == Precision::f16 ? Dtype::f16
                                                   : Dtype::f32;
  for (Tensor<double>* tensor : {&p.Q, &p.K, &p.V, &p.dout})
    round_to(random.below(8) ? type : stored, *tensor);
  round_to(precision == Precision::f64 ? Dtype::f64 : Dtype::f32, p.dlse);
  return p;
}

bool all_finite(const Tensor<double>& tensor) {
  for (Index n = 0; n < tensor.size(); ++n)
    if (!std::isfinite(tensor.data()[n])) return false;
  return true;
}

// out lse dq dk dv
using Results = std::array<Tensor<double>, 5>;
const std::string names[] = {"out", "lse", "dq", "dk", "dv"};

// A submission with these results
Submission submission_of(const RandomProblem<double>& p, const Results& results,
                         const ImplementationPrecision& declared) {
  Submission s;
  s.problem = p.problem(), s.cotangents = p.cotangents(), s.declared = declared;
  s.out = results[0].view(), s.lse = results[1].view();
  s.dq = results[2].view(), s.dk = results[3].view(), s.dv = results[4].view();
  return s;
}

const CheckOptions verdict_only{.diagnose = false, .list_undetectable = false};

// The verdict on one tensor of these results alone; nothing if the case is refused
std::optional<TensorVerdict> verdict_on(std::size_t tensor, const Submission& all) {
  Submission one = all;
  if (tensor != 0) one.out.reset();
  if (tensor != 1) one.lse.reset();
  if (tensor != 2) one.dq.reset();
  if (tensor != 3) one.dk.reset();
  if (tensor != 4) one.dv.reset();
  try {
    return check_submission(one, verdict_only).tensor_verdicts.front();
  } catch (const BadInput&) {
    return std::nullopt;
  }
}

// Wrong versions of a result: zeros, the other sign, exchanged rows, the mean of its rows
std::vector<std::pair<const char*, Tensor<double>>> wrong_versions(const Tensor<double>& right) {
  const Tensor<double> copy = right;
  Tensor<double> zeros = copy, negative = copy, exchanged = copy, constant = copy;
  const Shape& s = right.shape();
  for (Index b = 0; b < s.B; ++b)
    for (Index h = 0; h < s.H; ++h) {
      zeros.head(b, h).setZero();
      negative.head(b, h) = -right.head(b, h);
      exchanged.head(b, h) = right.head(b, h).colwise().reverse();
      if (s.S > 0)
        constant.head(b, h).rowwise() = (right.head(b, h) / static_cast<double>(s.S)).colwise().sum();
    }
  return {
      {"zeros", zeros}, {"the other sign", negative}, {"exchanged rows", exchanged}, {"the mean", constant}};
}

// Whether, in some head, a result differs by more than a quarter of the magnitude of the terms (Euclidean norms)
bool clearly_wrong(const Tensor<double>& found, const Tensor<double>& truth,
                   const Tensor<double>& magnitude) {
  const auto wide = [](const auto& numbers) {
    return numbers.array()
        .isFinite()
        .select(numbers.array(), 0.0)
        .matrix()
        .template cast<long double>()
        .eval();
  };
  for (Index b = 0; b < truth.shape().B; ++b)
    for (Index h = 0; h < truth.shape().H; ++h)
      if ((wide(found.head(b, h)) - wide(truth.head(b, h))).norm() > wide(magnitude.head(b, h)).norm() / 4)
        return true;
  return false;
}

// The numbers of cases that the law was tested on
struct Tally {
  int cases = 0, judged[5] = {};
};

void test_magnitudes(Random& random, Precision precision, Tally& tally) {
  // A problem, and the results of a correct kernel
  const Dtype stored = precision == Precision::f64    ? Dtype::f64
                       : precision == Precision::bf16 ? Dtype::bf16
                       : precision == Precision::f16  ? Dtype::f16
                                                      : Dtype::f32;
  RandomProblem<double> p = problem_of_any_magnitude(random, precision, stored);
  const bool exact_operands = random.below(3) > 0;
  if (exact_operands) make_exact(p, precision);
  for (const Tensor<double>* tensor : {&p.Q, &p.K, &p.V, &p.dout, &p.dlse})
    if (!all_finite(*tensor)) return;
  const Kernel kernel{.precision = precision,
                      .stored = stored,
                      .tile = 1 + random.below(9),
                      .devices = 1 + static_cast<int>(random.below(3)),
                      .partials = random.below(2) ? Partials::carried : Partials::merged,
                      .fast_weights = random.below(2) == 0};
  AttentionOutput<double> forward = emulated_attention(p.problem(), kernel);
  Gradients<double> gradients = emulated_vjp(p.problem(), forward, p.cotangents(), kernel);
  const Results right{forward.out, forward.lse, gradients.dq, gradients.dk, gradients.dv};
  const ImplementationPrecision declared = kernel.declared(exact_operands);
  ++tally.cases;

  // The truth and the magnitude of its terms
  const AttentionOutput<double> truth = attention(p.problem()), size = attention_magnitude(p.problem());
  const Gradients<double> d_truth = attention_vjp(p.problem(), truth, p.cotangents()),
                          d_size = vjp_magnitude(p.problem(), truth, p.cotangents());
  const Tensor<double>*const truths[] = {&truth.out, &truth.lse, &d_truth.dq, &d_truth.dk, &d_truth.dv},
                             *const sizes[] = {&size.out, &size.lse, &d_size.dq, &d_size.dk, &d_size.dv};

  CAPTURE(p.describe());
  CAPTURE(kernel.describe());
  CAPTURE(exact_operands);
  for (std::size_t n = 0; n < 5; ++n) {
    CAPTURE(names[n]);
    const std::optional<TensorVerdict> verdict = verdict_on(n, submission_of(p, right, declared));
    if (!verdict) continue;
    ++tally.judged[n];
    CAPTURE(verdict->found);
    CAPTURE(verdict->expected);
    CHECK(verdict->ratio <= largest_pass);
    for (const auto& [what, version] : wrong_versions(right[n])) {
      if (!clearly_wrong(version, *truths[n], *sizes[n])) continue;
      CAPTURE(what);
      Results wrong = right;
      wrong[n] = version;
      CHECK(verdict_on(n, submission_of(p, wrong, declared))->status == Status::fail);
    }
  }
}

void test_magnitudes(Precision precision) {
  Random random(31 + static_cast<std::uint64_t>(precision));
  Tally tally;
  const int cases = trials(150);
  for (int n = 0; n < cases; ++n) test_magnitudes(random, precision, tally);

  // Many cases are judged, so that the law is no empty one
  for (const int judged : tally.judged) CHECK(judged >= tally.cases / 5);
}

}  // namespace

TEST_CASE("at every magnitude, correct kernels pass and clearly wrong results fail or are refused") {
  SUBCASE("f64") { test_magnitudes(Precision::f64); }
  SUBCASE("f32") { test_magnitudes(Precision::f32); }
  SUBCASE("tf32") { test_magnitudes(Precision::tf32); }
  SUBCASE("bf16") { test_magnitudes(Precision::bf16); }
  SUBCASE("f16") { test_magnitudes(Precision::f16); }
}
