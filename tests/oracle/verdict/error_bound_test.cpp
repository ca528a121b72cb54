// Error bounds: correct kernels of every precision stay within their tolerance, and use so much of it that mistakes
// exceed it.

#include <doctest/doctest.h>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/error_bound/error_bound_vjp.h"
#include "reference/oracle/verdict/tensor_verdict.h"
#include "tests/oracle/verdict/emulated_kernel.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/naive_attention.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

constexpr Precision precisions[] = {Precision::f64, Precision::f32, Precision::tf32, Precision::bf16,
                                    Precision::f16};

Dtype storage_of(Precision precision) {
  switch (precision) {
    case Precision::f64:
      return Dtype::f64;
    case Precision::bf16:
      return Dtype::bf16;
    case Precision::f16:
      return Dtype::f16;
    case Precision::f32:
    case Precision::tf32:
    case Precision::e4m3:
    case Precision::e5m2:
      break;
  }
  return Dtype::f32;
}

Kernel random_kernel(Random& random, Precision precision) {
  constexpr Index tiles[] = {0, 1, 3, 8, 16};
  Kernel kernel{.precision = precision, .stored = storage_of(precision)};
  if (precision != Precision::f64 && random.below(4) == 0) kernel.stored = Dtype::f32;
  kernel.tile = tiles[random.below(5)], kernel.right_to_left = random.below(2) == 0;
  kernel.devices = 1 + static_cast<int>(random.below(5));
  kernel.layout = static_cast<Layout>(random.below(3));
  kernel.partials = random.below(2) == 0 ? Partials::carried : Partials::merged;
  kernel.fast_weights = random.below(2) == 0;
  return kernel;
}

void fill(Tensor<double>& tensor, double number) {
  for (Index n = 0; n < tensor.size(); ++n) tensor.data()[n] = number;
}

// Sets row s >= period to _factor_ times row s mod period
void repeat_rows(Tensor<double>& tensor, Index period, double factor = 1) {
  for (Index b = 0; b < tensor.shape().B; ++b)
    for (Index h = 0; h < tensor.shape().H; ++h)
      for (Index s = period; s < tensor.shape().S; ++s)
        tensor.head(b, h).row(s) = factor * tensor.head(b, h).row(s % period);
}

// Inputs on which roundings are not random
constexpr int kinds_of_problems = 10;
RandomProblem<double> hard_problem(Random& random, int kind) {
  const bool long_rows = random.below(2) == 0;
  RandomProblem<double> p =
      kind == 0 || !long_rows
          ? random_problem(random,
                           {.longest = 30, .widest = 16, .head_terms = true, .huge_logits = kind == 0})
          : normal_problem(random, {.Sq = 1 + random.below(16),
                                    .Skv = 20 + random.below(100),
                                    .Hq = 2,
                                    .D = 1 + random.below(8),
                                    .Dv = 1 + random.below(8)});
  switch (kind) {
    case 1:  // peaked rows
      scale_by(p.Q, 16);
      break;
    case 2:  // V constant
      fill(p.V, 1.1);
      break;
    case 3:  // all keys equal
      repeat_rows(p.K, 1);
      break;
    case 4:  // one peak beside equal keys
      repeat_rows(p.K, 1, -1);
      scale_by(p.Q, static_cast<double>(1 << random.below(5)));
      break;
    case 5:  // three keys and values, repeated
      repeat_rows(p.K, 3), repeat_rows(p.V, 3);
      break;
    case 6:  // the gradient of a sum
      fill(p.dout, 1.1);
      break;
    case 7:  // gradients near the smallest numbers of f16
      scale_by(p.dout, 0x1p-16);
      break;
    case 8:  // uniform attention
      scale_by(p.Q, 0);
      break;
    default:
      break;
  }
  return p;
}

// The largest error of each result of a kernel, in tolerances
struct Shares {
  double out = 0, lse = 0, dq = 0, dk = 0, dv = 0, dsinks = 0;
  double largest() const { return std::max({out, lse, dq, dk, dv, dsinks}); }
  void keep_larger(const Shares& other) {
    out = std::max(out, other.out), lse = std::max(lse, other.lse);
    dq = std::max(dq, other.dq), dk = std::max(dk, other.dk), dv = std::max(dv, other.dv);
    dsinks = std::max(dsinks, other.dsinks);
  }
};

double share(const Tensor<double>& found, const Tensor<double>& truth, const Tensor<double>& tolerance) {
  return judge_tensor("X", found, truth, tolerance).ratio;
}

Shares shares_of(const RandomProblem<double>& p, const Kernel& kernel,
                 const ImplementationPrecision& declared) {
  const Problem<double> problem = p.problem();
  const std::vector<Index> rows = all_rows(problem.Q.shape.S);
  const AttentionOutput<double> found = emulated_attention(problem, kernel);
  const Gradients<double> gradients = emulated_vjp(problem, found, p.cotangents(), kernel);
  const auto [truth, tolerance, magnitude] = bound_attention(problem, rows, declared);
  const auto [d_truth, d_tolerance, d_magnitude] =
      bound_attention_vjp(problem, rows, truth, p.cotangents(), declared);
  return {share(found.out, truth.out, tolerance.out),
          share(found.lse, truth.lse, tolerance.lse),
          share(gradients.dq, d_truth.dq, d_tolerance.dq),
          share(gradients.dk, d_truth.dk, d_tolerance.dk),
          share(gradients.dv, d_truth.dv, d_tolerance.dv),
          share(gradients.dsinks, d_truth.dsinks, d_tolerance.dsinks)};
}

RandomProblem<double> exact_problem(Precision precision, const Extents& extents, std::uint64_t seed) {
  Random random(seed);
  RandomProblem<double> p = normal_problem(random, extents);
  make_exact(p, precision);
  return p;
}

}  // namespace

TEST_CASE("the truth of an error bound is the definition") {
  Random random(1);
  for (int n = 0; n < trials(60); ++n) {
    const RandomProblem<double> p =
        random_problem(random, {.longest = 30, .pair_terms = true, .head_terms = true});
    const std::vector<Index> rows = all_rows(p.Q.shape().S);
    const BoundedAttention forward = bound_attention(p.problem(), rows, {});
    const BoundedGradients gradients =
        bound_attention_vjp(p.problem(), rows, forward.truth, p.cotangents(), {});
    const double bound = 4 * float64_bound(p.problem());
    CAPTURE(p.describe());
    const AttentionOutput<double> truth = attention(p.problem());
    CHECK(error_of(forward.truth, truth, attention_magnitude(p.problem())) <= bound);
    CHECK(error_of(gradients.truth, attention_vjp(p.problem(), truth, p.cotangents()),
                   vjp_magnitude(p.problem(), truth, p.cotangents())) <= bound);
  }
}

TEST_CASE("the tolerance of a row does not depend on the other rows") {
  Random random(2);
  const RandomProblem<double> p = normal_problem(random, {.Sq = 9, .Skv = 12, .Hq = 2, .D = 4, .Dv = 5});
  const std::vector<Index> some = {1, 4, 8};
  const BoundedAttention all = bound_attention(p.problem(), all_rows(9), {}),
                         sampled = bound_attention(p.problem(), some, {});
  const Tensor<double> expected = select_rows(all.tolerance.out.view(), some);
  for (Index n = 0; n < expected.size(); ++n)
    CHECK(sampled.tolerance.out.data()[n] == doctest::Approx(expected.data()[n]).epsilon(1e-12));
}

TEST_CASE("a row without visible keys has tolerance 0") {
  Random random(3);
  RandomProblem<double> p = normal_problem(random, {.Sq = 6, .Skv = 4, .D = 3, .Dv = 2});
  p.scoring.mask.causal = true;  // bottom-right: the first two queries are before all keys
  const BoundedAttention bounded = bound_attention(p.problem(), all_rows(6), {.stored = Dtype::f16});
  CHECK(bounded.tolerance.out.head(0, 0).topRows(2).isZero(0));
  CHECK(bounded.tolerance.lse.head(0, 0).topRows(2).isZero(0));
  CHECK((bounded.tolerance.out.head(0, 0).bottomRows(4).array() > 0).all());
}

TEST_CASE("equal keys that the mask hides do not widen the tolerance of a row") {
  Random random(7);
  RandomProblem<double> p = normal_problem(random, {.Sq = 40, .Skv = 40, .D = 3, .Dv = 2});
  repeat_rows(p.K, 1);
  p.scoring.mask.causal = true;
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const ImplementationPrecision declared = Kernel{.precision = precision}.declared(true);
    const BoundedAttention all = bound_attention(p.problem(), all_rows(40), declared);
    for (const Index row : {0, 7, 39}) {
      RandomProblem<double> visible = p;
      visible.K = select_rows(p.K.view(), all_rows(row + 1));
      visible.V = select_rows(p.V.view(), all_rows(row + 1));
      visible.kv_positions = consecutive_positions(row + 1);
      const BoundedAttention alone = bound_attention(visible.problem(), {row}, declared);
      CHECK(all.tolerance.out(0, row, 0, 1) ==
            doctest::Approx(alone.tolerance.out(0, 0, 0, 1)).epsilon(1e-12));
      CHECK(all.tolerance.lse(0, row, 0, 0) ==
            doctest::Approx(alone.tolerance.lse(0, 0, 0, 0)).epsilon(1e-12));
    }
  }
}

TEST_CASE("correct kernels of every precision stay within their tolerance") {
  for (const Precision precision : precisions)
    for (const bool exact_operands : {true, false})
      for (int kind = 0; kind < kinds_of_problems; ++kind) {
        Random random(100 + static_cast<std::uint64_t>(kind));
        for (int n = 0; n < trials(8); ++n) {
          RandomProblem<double> p = hard_problem(random, kind);
          if (exact_operands) make_exact(p, precision);
          const Kernel kernel = random_kernel(random, precision);
          const Shares shares = shares_of(p, kernel, kernel.declared(exact_operands));
          CAPTURE(kind);
          CAPTURE(kernel.describe());
          CAPTURE(p.describe());
          CHECK(shares.out <= largest_pass);
          CHECK(shares.lse <= largest_pass);
          CHECK(shares.dq <= largest_pass);
          CHECK(shares.dk <= largest_pass);
          CHECK(shares.dv <= largest_pass);
          CHECK(shares.dsinks <= largest_pass);
        }
      }
}

TEST_CASE("correct kernels stay within the tolerance of dsink however small the weight of the sink is") {
  for (const Precision precision : {Precision::f64, Precision::f32}) {
    Random random(11 + static_cast<std::uint64_t>(precision));
    for (int n = 0; n < trials(200); ++n) {
      // In float64 scores of some hundreds, in float32 weights near its smallest number beside a large dout
      const bool wide = precision == Precision::f64;
      RandomProblem<double> p = normal_problem(random, {.Sq = 3, .Skv = 11, .Hq = 2, .D = 5, .Dv = 4});
      scale_by(p.Q, wide ? 256 : 1), scale_by(p.dout, wide ? 1 : 0x1p20), repeat_rows(p.K, 4);
      for (Index h = 0; h < p.Q.shape().H; ++h)
        p.scoring.sinks.push_back(wide ? random.normal() : -110 + 40 * random.uniform());
      make_exact(p, precision);
      Kernel kernel = random_kernel(random, precision);
      kernel.partials = Partials::merged, kernel.devices = 3;
      CAPTURE(kernel.describe());
      CAPTURE(p.describe());
      CHECK(shares_of(p, kernel, kernel.declared(true)).dsinks <= largest_pass);
    }
  }
}

TEST_CASE("sequential sums over a thousand keys pass as f32") {
  for (const double sharpness : {0.0, 1.0, 4.0, 16.0})
    for (const bool constant : {false, true}) {
      RandomProblem<double> p =
          exact_problem(Precision::f32, {.Sq = 3, .Skv = 1000, .Hq = 2, .D = 8, .Dv = 6}, 4);
      scale_by(p.Q, sharpness);
      if (constant) fill(p.V, 1.1);
      make_exact(p, Precision::f32);
      for (const Index tile : {0, 1}) {
        const Kernel plain{.tile = tile};
        CAPTURE(sharpness);
        CHECK(shares_of(p, plain, plain.declared(true)).largest() <= largest_pass);
      }
    }
}

TEST_CASE("the tolerance covers small terms that are lost beside a large one in a sequential sum") {
  // One score of 0 and a thousand of -16.75; exp(-16.75) is less than the unit roundoff of f32
  RandomProblem<double> p = exact_problem(Precision::f32, {.Skv = 1001, .D = 1, .Dv = 2}, 5);
  fill(p.Q, 1), fill(p.K, -16.75), fill(p.V, 1);
  p.K(0, 0, 0, 0) = 0, p.V(0, 0, 0, 0) = -1;
  const Kernel plain{.tile = 0};
  const Shares shares = shares_of(p, plain, plain.declared(true));
  CHECK(shares.lse <= largest_pass);
  CHECK(shares.lse >= 0.2);
  CHECK(shares.out <= largest_pass);
}

TEST_CASE("the tolerance covers keys and queries with the same numbers, which round alike") {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    RandomProblem<double> p =
        exact_problem(Precision::tf32, {.Sq = 30, .Skv = 240, .Hq = 2, .D = 4, .Dv = 5}, seed);
    repeat_rows(p.K, 3), repeat_rows(p.V, 3), repeat_rows(p.Q, 3);
    const Kernel kernel{.precision = Precision::tf32};
    CHECK(shares_of(p, kernel, kernel.declared(true)).largest() <= largest_pass);
  }
}

TEST_CASE("the tolerance covers the error of delta that comes from the stored output") {
  // With V constant, dP = delta: dS is nothing but the error of their difference
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    RandomProblem<double> p =
        exact_problem(Precision::tf32, {.Sq = 20, .Skv = 200, .Hq = 2, .D = 4, .Dv = 5}, seed);
    fill(p.V, 1.125);
    const Kernel kernel{.precision = Precision::tf32};
    CHECK(shares_of(p, kernel, kernel.declared(true)).largest() <= largest_pass);
  }
}

TEST_CASE("correct kernels of low precision use at least a fifth of their tolerance") {
  for (const Precision precision : {Precision::tf32, Precision::bf16, Precision::f16}) {
    const RandomProblem<double> p =
        exact_problem(precision, {.Sq = 48, .Skv = 64, .Hq = 4, .Hkv = 2, .D = 16, .Dv = 12}, 6);
    const Kernel kernel{.precision = precision, .stored = storage_of(precision)};
    const Shares shares = shares_of(p, kernel, kernel.declared(true));
    CAPTURE(name(precision));
    for (const double used : {shares.out, shares.dq, shares.dk, shares.dv}) CHECK(used >= 0.2);
  }
}

TEST_CASE("with sinks, correct kernels of low precision use a part of their tolerance in every result") {
  for (const Precision precision : {Precision::tf32, Precision::bf16, Precision::f16}) {
    RandomProblem<double> p =
        exact_problem(precision, {.Sq = 48, .Skv = 64, .Hq = 4, .Hkv = 2, .D = 16, .Dv = 12}, 6);
    p.scoring.sinks = {1, 3, -1, 2.5}, p.scoring.alibi_slopes = {0.25, 0, 0.125, 1};
    const Kernel kernel{.precision = precision, .stored = storage_of(precision)};
    const Shares shares = shares_of(p, kernel, kernel.declared(true));
    CAPTURE(name(precision));
    CHECK(shares.largest() <= largest_pass);
    for (const double used : {shares.out, shares.dq, shares.dk, shares.dv}) CHECK(used >= 0.2);
    CHECK(shares.dsinks >= 0.05);
  }
}

TEST_CASE("lse may be summed from rounded weights of a fast exponential, in bf16 and f16 only") {
  for (const Precision precision : {Precision::bf16, Precision::f16}) {
    const RandomProblem<double> p =
        exact_problem(precision, {.Sq = 48, .Skv = 64, .Hq = 4, .Hkv = 2, .D = 16, .Dv = 12}, 8);
    const Kernel kernel{.precision = precision, .stored = storage_of(precision), .fast_weights = true};
    ImplementationPrecision declared = kernel.declared(true);
    CAPTURE(name(precision));
    CHECK(shares_of(p, kernel, declared).largest() <= largest_pass);
    declared.exact_weights = true;
    CHECK(shares_of(p, kernel, declared).lse > largest_note);
  }
}

TEST_CASE("a kernel that is less precise than declared does not pass") {
  const Extents extents{.Sq = 24, .Skv = 128, .Hq = 2, .D = 16, .Dv = 8};
  SUBCASE("bf16 operands declared as f32") {
    const RandomProblem<double> p = exact_problem(Precision::bf16, extents, 7);
    const Kernel kernel{.precision = Precision::bf16, .stored = Dtype::f32};
    CHECK(shares_of(p, kernel, {}).out > largest_note);
  }
  SUBCASE("tf32 operands declared as f32") {
    const RandomProblem<double> p = exact_problem(Precision::tf32, extents, 7);
    const Kernel kernel{.precision = Precision::tf32};
    CHECK(shares_of(p, kernel, {}).out > largest_note);
  }
  SUBCASE("sums kept in bf16") {
    const RandomProblem<double> p = exact_problem(Precision::bf16, extents, 7);
    const Kernel kernel{.precision = Precision::bf16, .stored = Dtype::bf16, .tile = 4, .rounded_sums = true};
    const Shares shares = shares_of(p, kernel, kernel.declared(true));
    CHECK(shares.out > largest_pass);
    CHECK(shares.dq > largest_pass);
  }
  SUBCASE("partial results of eight devices rounded to bf16") {
    const RandomProblem<double> p = exact_problem(Precision::f32, extents, 7);
    Kernel kernel{.stored = Dtype::bf16, .devices = 8};
    CHECK(shares_of(p, kernel, kernel.declared(true)).out <= largest_pass);
    kernel.partials = Partials::merged_rounded;
    CHECK(shares_of(p, kernel, kernel.declared(true)).out > largest_pass);
  }
}
