// Laws of the laws: each holds for right results, whatever the problem, and breaks for the mistakes it is
// there to catch.

#include <doctest/doctest.h>

#include "reference/definition/chunked.h"
#include "reference/oracle/verdict/laws.h"
#include "tests/oracle/emulated_kernel.h"
#include "tests/support/random_problem.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

constexpr ImplementationPrecision in_f64{.implementation = Precision::f64, .stored = Dtype::f64, .lse_stored = Dtype::f64};

// Which laws broke, "BD"; "-" where none
std::string broken(const RandomProblem<double>& p, const AttentionOutput<double>& forward,
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

// A grouped problem without soft-cap and its right results in float64
struct Solved {
  Solved() {
    Random random(1);
    p = normal_problem(random, {.B = 2, .Sq = 20, .Skv = 24, .Hq = 4, .Hkv = 2, .D = 8, .Dv = 6});
    p.scoring.mask.causal = true;
    forward = attention(p.problem());
    gradients = attention_vjp(p.problem(), forward, p.cotangents());
  }

  std::string broken_laws() const { return broken(p, forward, gradients, in_f64); }

  RandomProblem<double> p;
  AttentionOutput<double> forward;
  Gradients<double> gradients;
};

void scale_by(Tensor<double>& tensor, double factor) {
  for (Index n = 0; n < tensor.size(); ++n) tensor.data()[n] *= factor;
}

// The rows of the keys go to other devices of a ring of three
void rotate(Tensor<double>& tensor) {
  std::vector<Index> moved;
  for (Index s = 0; s < tensor.shape().S; ++s) moved.push_back((s + tensor.shape().S / 3) % tensor.shape().S);
  tensor = select_rows(tensor.view(), moved);
}

}  // namespace

TEST_CASE("every law holds for right results in float64") {
  Random random(2);
  for (int n = 0; n < trials(100); ++n) {
    const RandomProblem<double> p = random_problem(random, {.huge_logits = true});
    const AttentionOutput<double> forward = attention(p.problem());
    CAPTURE(p.describe());
    CHECK(broken(p, forward, attention_vjp(p.problem(), forward, p.cotangents()), in_f64) == "-");
  }
}

TEST_CASE("every law holds for correct kernels of every precision") {
  Random random(3);
  for (int n = 0; n < trials(60); ++n)
    for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16, Precision::f16}) {
      RandomProblem<double> p = random_problem(random, {.longest = 30, .widest = 16});
      const bool exact_operands = random.below(2) == 0;
      if (exact_operands) make_exact(p, precision);
      const Kernel kernel{.precision = precision,
                          .stored = precision == Precision::bf16 ? Dtype::bf16 : Dtype::f32,
                          .devices = 1 + static_cast<int>(random.below(4))};
      const AttentionOutput<double> forward = emulated_attention(p.problem(), kernel);
      CAPTURE(p.describe());
      CAPTURE(kernel.describe());
      CHECK(broken(p, forward, emulated_vjp(p.problem(), forward, p.cotangents(), kernel),
                   kernel.declared(exact_operands)) == "-");
    }
}

TEST_CASE("a law is tried where there is what it needs, and only there") {
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

TEST_CASE("N breaks when lse is in another base, or a key is missing, or a row without keys is not -inf") {
  Solved s;
  SUBCASE("another base") { scale_by(s.forward.lse, 1 / std::log(2.0)); }
  SUBCASE("a key is missing") { s.forward.lse(1, 19, 3, 0) -= 1e-6; }
  SUBCASE("NaN") { s.forward.lse(0, 3, 1, 0) = std::nan(""); }
  CHECK(s.broken_laws() == "N");
}

TEST_CASE("N asks for -inf where a row sees no key") {
  Random random(4);
  RandomProblem<double> p = normal_problem(random, {.Sq = 6, .Skv = 4, .D = 3, .Dv = 2});
  p.scoring.mask.causal = true;
  AttentionOutput<double> forward = attention(p.problem());
  const Gradients<double> gradients = attention_vjp(p.problem(), forward, p.cotangents());
  CHECK(broken(p, forward, gradients, in_f64) == "-");
  forward.lse(0, 1, 0, 0) = std::numeric_limits<double>::infinity();
  CHECK(broken(p, forward, gradients, in_f64) == "N");
}

TEST_CASE("B alone breaks when delta is missing") {
  Solved s;
  const AttentionOutput<double> without_out{Tensor<double>(s.forward.out.shape()), s.forward.lse};
  s.gradients = attention_vjp(s.p.problem(), without_out, s.p.cotangents());
  CHECK(s.broken_laws() == "B");
}

TEST_CASE("B alone breaks when dlse is dropped") {
  Solved s;
  s.gradients = attention_vjp(s.p.problem(), s.forward, {s.p.dout, {}});
  CHECK(s.broken_laws() == "B");
}

TEST_CASE("D alone breaks when dq lacks the scale") {
  Solved s;
  scale_by(s.gradients.dq, std::sqrt(8.0));
  CHECK(s.broken_laws() == "D");
}

TEST_CASE("C and D break, A and B do not, when dK and dV are one hop short of home") {
  Solved s;
  rotate(s.gradients.dk), rotate(s.gradients.dv);
  CHECK(s.broken_laws() == "CD");
}

TEST_CASE("A and C break when dv is averaged over the devices, and with dk, B and D too") {
  Solved s;
  scale_by(s.gradients.dv, 0.25);
  SUBCASE("dv alone") { CHECK(s.broken_laws() == "AC"); }
  SUBCASE("both") {
    scale_by(s.gradients.dk, 0.25);
    CHECK(s.broken_laws() == "ABCD");
  }
}

TEST_CASE("A breaks when only the last head of a group is summed") {
  Solved s;
  RandomProblem<double> last = s.p;
  for (Index b = 0; b < 2; ++b)
    for (const Index h : {0, 2}) last.dout.head(b, h).setZero();
  s.gradients.dv = attention_vjp(s.p.problem(), s.forward, last.cotangents()).dv;
  CHECK(s.broken_laws() == "AC");
}

TEST_CASE("in each document for itself, A and B hold, and break when documents mix") {
  Solved s;
  for (Index i = 0; i < 20; ++i) s.p.q_positions.of(0)[static_cast<std::size_t>(i)].segment = i / 10;
  for (Index j = 0; j < 24; ++j) s.p.kv_positions.of(0)[static_cast<std::size_t>(j)].segment = j / 12;
  s.forward = attention(s.p.problem());
  s.gradients = attention_vjp(s.p.problem(), s.forward, s.p.cotangents());
  CHECK(s.broken_laws() == "-");
  s.gradients.dv.head(0, 0).row(0).swap(s.gradients.dv.head(0, 0).row(23));
  CHECK(s.broken_laws() == "AC");
}

TEST_CASE("in bf16 too, A breaks for an average and D for a missing scale") {
  Solved s;
  make_exact(s.p, Precision::bf16);
  const Kernel kernel{.precision = Precision::bf16, .stored = Dtype::bf16, .devices = 4};
  s.forward = emulated_attention(s.p.problem(), kernel);
  s.gradients = emulated_vjp(s.p.problem(), s.forward, s.p.cotangents(), kernel);
  const auto letters = [&] { return broken(s.p, s.forward, s.gradients, kernel.declared(true)); };
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
