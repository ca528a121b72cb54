// The laws of attention: each holds for the correct results of every problem, and is violated by the mistakes that it
// should detect.

#include <doctest/doctest.h>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/verdict/laws.h"
#include "tests/oracle/verdict/emulated_kernel.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

constexpr ImplementationPrecision in_f64{
    .implementation = Precision::f64, .stored = Dtype::f64, .lse_stored = Dtype::f64};

// The ids of the violated laws, "BD"; "-" if all hold
std::string violated(const RandomProblem<double>& p, const AttentionOutput<double>& forward,
                     const Gradients<double>& gradients, const ImplementationPrecision& declared) {
  const Problem<double> problem = p.problem();
  const LawInputs inputs{.problem = problem,
                         .out = forward.out.view(),
                         .lse = forward.lse.view(),
                         .dq = gradients.dq.view(),
                         .dk = gradients.dk.view(),
                         .dv = gradients.dv.view(),
                         .cotangents = p.cotangents()};
  std::string letters;
  for (const Law& law : laws(inputs, declared, all_rows(problem.Q.shape.S)))
    if (!law.holds()) letters += law.id;
  return letters.empty() ? "-" : letters;
}

// A problem with grouped heads and without soft-cap, and its correct results in float64
struct Solved {
  Solved() {
    Random random(1);
    p = normal_problem(random, {.B = 2, .Sq = 20, .Skv = 24, .Hq = 4, .Hkv = 2, .D = 8, .Dv = 6});
    p.scoring.mask.causal = true;
    forward = attention(p.problem());
    gradients = attention_vjp(p.problem(), forward, p.cotangents());
  }

  std::string violated_laws() const { return violated(p, forward, gradients, in_f64); }

  RandomProblem<double> p;
  AttentionOutput<double> forward;
  Gradients<double> gradients;
};

// Moves the rows of the keys by one device of a ring of three
void rotate(Tensor<double>& tensor) {
  std::vector<Index> moved;
  for (Index s = 0; s < tensor.shape().S; ++s) moved.push_back((s + tensor.shape().S / 3) % tensor.shape().S);
  tensor = select_rows(tensor.view(), moved);
}

}  // namespace

TEST_CASE("every law holds for correct results in float64") {
  Random random(2);
  for (int n = 0; n < trials(100); ++n) {
    const RandomProblem<double> p = random_problem(random, {.head_terms = true, .huge_logits = true});
    const AttentionOutput<double> forward = attention(p.problem());
    CAPTURE(p.describe());
    CHECK(violated(p, forward, attention_vjp(p.problem(), forward, p.cotangents()), in_f64) == "-");
  }
}

TEST_CASE("every law holds for correct kernels of every precision") {
  Random random(3);
  for (int n = 0; n < trials(60); ++n)
    for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16, Precision::f16}) {
      RandomProblem<double> p = random_problem(random, {.longest = 30, .widest = 16, .head_terms = true});
      const bool exact_operands = random.below(2) == 0;
      if (exact_operands) make_exact(p, precision);
      const Kernel kernel{.precision = precision,
                          .stored = precision == Precision::bf16 ? Dtype::bf16 : Dtype::f32,
                          .devices = 1 + static_cast<int>(random.below(4))};
      const AttentionOutput<double> forward = emulated_attention(p.problem(), kernel);
      CAPTURE(p.describe());
      CAPTURE(kernel.describe());
      CHECK(violated(p, forward, emulated_vjp(p.problem(), forward, p.cotangents(), kernel),
                     kernel.declared(exact_operands)) == "-");
    }
}

TEST_CASE("a law is checked exactly if its inputs are given") {
  const Solved s;
  const Problem<double> problem = s.p.problem();
  const auto ids = [&](LawInputs inputs) {
    std::string letters;
    for (const Law& law : laws(inputs, in_f64, all_rows(20))) letters += law.id;
    return letters;
  };
  CHECK(ids({.problem = problem}).empty());
  CHECK(ids({.problem = problem, .lse = s.forward.lse.view()}) == "N");
  CHECK(ids({.problem = problem, .dv = s.gradients.dv.view()}).empty());  // without dout
  LawInputs all{.problem = problem,
                .out = s.forward.out.view(),
                .lse = s.forward.lse.view(),
                .dq = s.gradients.dq.view(),
                .dk = s.gradients.dk.view(),
                .dv = s.gradients.dv.view(),
                .cotangents = s.p.cotangents()};
  CHECK(ids(all) == "NABCD");
  Problem<double> capped = problem;
  capped.scoring.softcap = 5;
  CHECK(ids({.problem = capped, .dk = all.dk, .cotangents = all.cotangents}).empty());
}

TEST_CASE("N is violated by an lse in another base, a missing key, or a NaN") {
  Solved s;
  SUBCASE("another base") { scale_by(s.forward.lse, 1 / std::log(2.0)); }
  SUBCASE("a key is missing") { s.forward.lse(1, 19, 3, 0) -= 1e-6; }
  SUBCASE("NaN") { s.forward.lse(0, 3, 1, 0) = std::nan(""); }
  CHECK(s.violated_laws() == "N");
}

TEST_CASE("N requires lse = -inf for a row without visible keys") {
  Random random(4);
  RandomProblem<double> p = normal_problem(random, {.Sq = 6, .Skv = 4, .D = 3, .Dv = 2});
  p.scoring.mask.causal = true;
  AttentionOutput<double> forward = attention(p.problem());
  const Gradients<double> gradients = attention_vjp(p.problem(), forward, p.cotangents());
  CHECK(violated(p, forward, gradients, in_f64) == "-");
  forward.lse(0, 1, 0, 0) = std::numeric_limits<double>::infinity();
  CHECK(violated(p, forward, gradients, in_f64) == "N");
}

TEST_CASE("a missing delta violates B only") {
  Solved s;
  const AttentionOutput<double> without_out{Tensor<double>(s.forward.out.shape()), s.forward.lse};
  s.gradients = attention_vjp(s.p.problem(), without_out, s.p.cotangents());
  CHECK(s.violated_laws() == "B");
}

TEST_CASE("an ignored dlse violates B only") {
  Solved s;
  s.gradients = attention_vjp(s.p.problem(), s.forward, {s.p.dout, {}});
  CHECK(s.violated_laws() == "B");
}

TEST_CASE("a missing scale of dq violates D only") {
  Solved s;
  scale_by(s.gradients.dq, std::sqrt(8.0));
  CHECK(s.violated_laws() == "D");
}

TEST_CASE("dK and dV that miss the last hop to their owners violate C and D only") {
  Solved s;
  rotate(s.gradients.dk), rotate(s.gradients.dv);
  CHECK(s.violated_laws() == "CD");
}

TEST_CASE("averaging dv over the devices violates A and C, averaging dk too violates all four laws") {
  Solved s;
  scale_by(s.gradients.dv, 0.25);
  SUBCASE("dv alone") { CHECK(s.violated_laws() == "AC"); }
  SUBCASE("both") {
    scale_by(s.gradients.dk, 0.25);
    CHECK(s.violated_laws() == "ABCD");
  }
}

TEST_CASE("summing only the last head of a group violates A and C") {
  Solved s;
  RandomProblem<double> last = s.p;
  for (Index b = 0; b < 2; ++b)
    for (const Index h : {0, 2}) last.dout.head(b, h).setZero();
  s.gradients.dv = attention_vjp(s.p.problem(), s.forward, last.cotangents()).dv;
  CHECK(s.violated_laws() == "AC");
}

TEST_CASE("A and B hold for each document separately, mixed documents violate A and C") {
  Solved s;
  for (Index i = 0; i < 20; ++i) s.p.q_positions.of(0)[static_cast<std::size_t>(i)].segment = i / 10;
  for (Index j = 0; j < 24; ++j) s.p.kv_positions.of(0)[static_cast<std::size_t>(j)].segment = j / 12;
  s.forward = attention(s.p.problem());
  s.gradients = attention_vjp(s.p.problem(), s.forward, s.p.cotangents());
  CHECK(s.violated_laws() == "-");
  s.gradients.dv.head(0, 0).row(0).swap(s.gradients.dv.head(0, 0).row(23));
  CHECK(s.violated_laws() == "AC");
}

TEST_CASE("in bf16 too, an average violates A and a missing scale violates D") {
  Solved s;
  make_exact(s.p, Precision::bf16);
  const Kernel kernel{.precision = Precision::bf16, .stored = Dtype::bf16, .devices = 4};
  s.forward = emulated_attention(s.p.problem(), kernel);
  s.gradients = emulated_vjp(s.p.problem(), s.forward, s.p.cotangents(), kernel);
  const auto letters = [&] { return violated(s.p, s.forward, s.gradients, kernel.declared(true)); };
  CHECK(letters() == "-");
  SUBCASE("average") {
    scale_by(s.gradients.dv, 0.25);
    CHECK(letters().find('A') != std::string::npos);
  }
  SUBCASE("scale") {
    scale_by(s.gradients.dq, std::sqrt(8.0));
    CHECK(letters() == "D");
  }
}
