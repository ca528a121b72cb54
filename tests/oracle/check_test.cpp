// The whole check on correct results, known mistakes, differences of convention, and mistakes that the catalogue does
// not contain. Many mistakes are implemented here a second time, in another style than that of the catalogue.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/oracle/submitted_case.h"
#include "tests/support/trials.h"

using namespace ringattn;

TEST_CASE("a correct result passes, and the report lists the mistakes that the case cannot detect") {
  SubmittedCase submitted;
  const Report report = submitted.report(true, true);
  CHECK(report.verdict == Verdict::pass);
  CHECK(report.worst_ratio <= 1);
  CHECK(!report.where);
  CHECK(report.diagnosis() == nullptr);
  REQUIRE(report.undetectable.has_value());
  CHECK(report.undetectable->backward_tried);
  const std::vector<std::string_view> ids = report.undetectable->ids();
  const auto listed = [&](std::string_view id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
  CHECK(listed("M15"));  // Sq = Skv: both causal alignments are the same
  CHECK(listed("G1"));   // no gradients were submitted
  CHECK(!listed("M1"));
  CHECK(!listed("O1"));
}

TEST_CASE("an output of zeros fails, and its rows are counted as never written") {
  SubmittedCase submitted;
  submitted.out = Tensor<double>(submitted.out.shape());
  const Report report = submitted.report();
  CHECK(report.verdict == Verdict::fail);
  CHECK(report.tensor_verdicts.front().zero_rows == 64 * 4);
  CHECK(report.diagnosis()->names.empty());
}

TEST_CASE("one NaN fails, and its position is reported") {
  SubmittedCase submitted;
  submitted.out(0, 33, 2, 5) = std::numeric_limits<double>::quiet_NaN();
  const Report report = submitted.without_diagnosis();
  CHECK(report.verdict == Verdict::fail);
  CHECK(report.tensor_verdicts.front().nan == 1);
  CHECK(report.where->wrong_rows == 1);
  CHECK((report.where->first.s == 33 && report.where->first.h == 2));
  CHECK((report.where->device == 2 && report.where->place == 1));
}

TEST_CASE("exchanged rows and heads are named when their extents are equal") {
  SubmittedCase submitted({.B = 1, .Sq = 8, .Skv = 8, .Hq = 8, .Hkv = 4, .D = 16, .Dv = 12});
  for (Index s = 0; s < 8; ++s)
    for (Index h = 0; h < 8; ++h)
      for (Index d = 0; d < 12; ++d) submitted.out(0, s, h, d) = submitted.right.out(0, h, s, d);
  const Report report = submitted.report();
  CHECK(report.verdict == Verdict::convention);
  CHECK(named(report, "C3"));
}

TEST_CASE("lse in base 2 is reported as another convention") {
  SubmittedCase submitted;
  for (Index n = 0; n < submitted.lse.size(); ++n) submitted.lse.data()[n] /= std::log(2.0);
  const Report report = submitted.report(true);
  CHECK(report.verdict == Verdict::convention);
  CHECK(named(report, "C1"));
}

TEST_CASE("lse = +inf for rows without visible keys is reported as another convention") {
  SubmittedCase submitted({.B = 1, .Sq = 64, .Skv = 40, .Hq = 4, .Hkv = 2, .D = 32, .Dv = 24});
  for (Index n = 0; n < submitted.lse.size(); ++n)
    if (submitted.lse.data()[n] == -infinity) submitted.lse.data()[n] = infinity;
  const Report report = submitted.report(true);
  CHECK(report.verdict == Verdict::convention);
  CHECK(named(report, "C2"));
}

TEST_CASE("correct results pass when there are no keys or no queries") {
  for (const auto& [Sq, Skv] : {std::pair<Index, Index>{5, 0}, {0, 5}, {0, 0}}) {
    SubmittedCase submitted({.B = 2, .Sq = Sq, .Skv = Skv, .Hq = 4, .Hkv = 2, .D = 32, .Dv = 24});
    const Gradients<double> gradients =
        attention_vjp(submitted.p.problem(), submitted.right, submitted.p.cotangents());
    Submission s;
    s.problem = submitted.p.problem(), s.cotangents = submitted.p.cotangents();
    s.out = submitted.out, s.lse = submitted.lse.view();
    s.dq = gradients.dq, s.dk = gradients.dk, s.dv = gradients.dv;
    s.layout = Layout::zigzag, s.devices = 3;
    CHECK(check_submission(s, {}).verdict == Verdict::pass);
    if (Sq == 0) continue;
    submitted.out.data()[7] = 1e-30;
    CHECK(check_submission(s, {}).verdict == Verdict::fail);
  }
}

TEST_CASE("an output equal to one of the inputs fails") {
  SubmittedCase submitted({.B = 1, .Sq = 64, .Skv = 64, .Hq = 4, .Hkv = 4, .D = 24, .Dv = 24});
  for (const Tensor<double>* input : {&submitted.p.Q, &submitted.p.V}) {
    submitted.out = *input;
    CHECK(submitted.without_diagnosis().verdict == Verdict::fail);
  }
}

TEST_CASE("a wrong scale of any value is found") {
  SubmittedCase submitted;
  attend(submitted, [&](Index i, Index h, Index j) {
    return j <= i ? std::exp(1.37 * score(submitted.p, i, h, j)) : 0;
  });
  const Report report = submitted.report();
  CHECK(named(report, "S0"));
  CHECK(report.forward->names.front().variant.describe().starts_with("effective scale = 1.37"));
}

TEST_CASE("mistakes of an independent implementation are named") {
  SubmittedCase submitted;
  const auto& p = submitted.p;
  const auto e = [&](Index i, Index h, Index j) { return std::exp(score(p, i, h, j)); };
  SUBCASE("causal, one key too many") {
    attend(submitted, [&](Index i, Index h, Index j) { return j <= i + 1 ? e(i, h, j) : 0; });
    CHECK(named(submitted.report(), "M3"));
  }
  SUBCASE("no causal mask") {
    attend(submitted, [&](Index i, Index h, Index j) { return e(i, h, j); });
    CHECK(named(submitted.report(), "M1"));
  }
  SUBCASE("the last hop is missing") {
    attend(submitted, [&](Index i, Index h, Index j) {
      return j <= i && (i / 16 - j / 16 + 4) % 4 != 3 ? e(i, h, j) : 0;
    });
    CHECK(named(submitted.report(), "R1"));
  }
  SUBCASE("device 3 uses the block of step 1 again at step 2") {
    attend(submitted, [&](Index i, Index h, Index j) {
      const bool twice = i >= 48 && j / 16 == 2, lost = i >= 48 && j / 16 == 1;
      return j > i || lost ? 0 : twice ? 2 * e(i, h, j) : e(i, h, j);
    });
    CHECK(named(submitted.report(), "R9"));
  }
  SUBCASE("a padding key of zeros is attended to") {
    const Index Dv = p.V.shape().D;
    for (Index i = 0; i < 64; ++i)
      for (Index h = 0; h < 4; ++h) {
        const double share = 1 / (1 + std::exp(-submitted.right.lse(0, i, h, 0)));
        for (Index d = 0; d < Dv; ++d) submitted.out(0, i, h, d) = share * submitted.right.out(0, i, h, d);
      }
    CHECK((named(submitted.report(), "M13") || named(submitted.report(), "O6")));
  }
  SUBCASE("query heads use the K/V heads round-robin") {
    Problem<double> round_robin = p.problem();
    const Tensor<double> K = p.K, V = p.V;
    Tensor<double> K_all({1, 64, 4, 32}), V_all({1, 64, 4, 24});
    for (Index h = 0; h < 4; ++h) K_all.head(0, h) = K.head(0, h % 2), V_all.head(0, h) = V.head(0, h % 2);
    round_robin.K = K_all, round_robin.V = V_all;
    submitted.out = attention(round_robin).out;
    CHECK(named(submitted.report(), "H1"));
  }
}

TEST_CASE("a forward mistake on few queries is named although the gradients of many keys are wrong too") {
  SubmittedCase submitted({.B = 1, .Sq = 8, .Skv = 64, .Hq = 2, .Hkv = 1, .D = 16, .Dv = 12});
  attend(submitted, [&](Index i, Index h, Index j) { return std::exp(score(submitted.p, i, h, j)); });
  const Tensor<double> zeros(submitted.p.V.shape());
  Submission s;
  s.problem = submitted.p.problem(), s.cotangents = {submitted.p.dout, {}};
  s.out = submitted.out, s.dv = zeros;
  s.declared = {.implementation = Precision::f32};
  s.devices = 4;
  CHECK(named(check_submission(s), "M1"));
}

TEST_CASE("two mistakes at once are both named") {
  SUBCASE("no scale, no mask") {
    SubmittedCase submitted(two_heads);
    attend(submitted,
           [&](Index i, Index h, Index j) { return std::exp(4 * score(submitted.p, i, h, j) - 40); });
    CHECK(named(submitted.report(), "S1+M1"));
  }
  SUBCASE("no scale, and the last hop is missing") {
    SubmittedCase submitted(two_heads);
    attend(submitted, [&](Index i, Index h, Index j) {
      return j <= i && (i / 16 - j / 16 + 4) % 4 != 3 ? std::exp(4 * score(submitted.p, i, h, j) - 40) : 0;
    });
    CHECK(named(submitted.report(), "S1+R1"));
  }
  SUBCASE("query heads use the K/V heads round-robin, and there is no mask") {
    SubmittedCase submitted({.B = 1, .Sq = 32, .Skv = 32, .Hq = 4, .Hkv = 2, .D = 16, .Dv = 12});
    Problem<double> round_robin = submitted.p.problem();
    Tensor<double> K({1, 32, 4, 16}), V({1, 32, 4, 12});
    for (Index h = 0; h < 4; ++h)
      K.head(0, h) = submitted.p.K.head(0, h % 2), V.head(0, h) = submitted.p.V.head(0, h % 2);
    round_robin.K = K, round_robin.V = V;
    round_robin.scoring.mask.causal = false;
    submitted.out = attention(round_robin).out;
    CHECK(named(submitted.report(), "H1+M1"));
  }
}

TEST_CASE("a mistake that is not in the catalogue gets no name") {
  SubmittedCase submitted(two_heads);
  const auto& right = submitted.right.out;
  const Shape& out = right.shape();
  Random random(3);
  const auto change = [&](const auto& rule) {
    for (Index i = 0; i < out.S; ++i)
      for (Index h = 0; h < out.H; ++h)
        for (Index d = 0; d < out.D; ++d) submitted.out(0, i, h, d) = rule(i, h, d);
  };
  SUBCASE("noise") {
    change([&](Index, Index, Index) { return random.normal(); });
  }
  SUBCASE("a row mixed with its mirror image") {
    change([&](Index i, Index h, Index d) { return 0.7 * right(0, i, h, d) + 0.3 * right(0, 63 - i, h, d); });
  }
  SUBCASE("every third element negated") {
    change([&](Index i, Index h, Index d) { return (d % 3 ? 1 : -1) * right(0, i, h, d); });
  }
  SUBCASE("weights squared and not normalised") {
    attend(submitted, [&](Index i, Index h, Index j) {
      return j <= i ? std::exp(2.2 * score(submitted.p, i, h, j)) + 1 : 0;
    });
  }
  const Report report = submitted.report();
  CHECK(report.verdict == Verdict::fail);
  CHECK(report.diagnosis()->names.empty());
}

TEST_CASE("a correct kernel never gets the name of a mistake") {
  Random random(11);
  for (int n = 0; n < trials(510); ++n) {
    RandomProblem<double> p = random_problem(random, {.longest = 40, .widest = 16});
    make_exact(p, Precision::bf16);
    const Kernel kernel{.precision = n % 2 ? Precision::bf16 : Precision::f32,
                        .stored = n % 2 ? Dtype::bf16 : Dtype::f32,
                        .tile = 4 + random.below(20),
                        .right_to_left = n % 3 == 0,
                        .devices = static_cast<int>(1 + random.below(8)),
                        .layout = static_cast<Layout>(n % 3),
                        .partials = n % 4 == 0 ? Partials::merged : Partials::carried};
    const AttentionOutput<double> found = emulated_attention(p.problem(), kernel);
    const Gradients<double> gradients = emulated_vjp(p.problem(), found, p.cotangents(), kernel);
    Submission s;
    s.problem = p.problem(), s.cotangents = p.cotangents();
    s.out = found.out, s.lse = found.lse;
    s.dq = gradients.dq, s.dk = gradients.dk, s.dv = gradients.dv;
    s.declared = kernel.declared(true), s.layout = kernel.layout, s.devices = kernel.devices;
    const Report report = check_submission(s, {.list_undetectable = false});
    CAPTURE(p.describe());
    CAPTURE(kernel.describe());
    CHECK(report.worst_ratio <= largest_pass);
    CHECK(report.diagnosis() == nullptr);
    if (n % 50 == 0) CHECK(diagnose_forward(s, report.tensor_verdicts, report.rows).names.empty());
  }
}

TEST_CASE("a sample of rows contains the first and the last row, and the probability of a miss is known") {
  CHECK(miss_probability(0.25, 10) == doctest::Approx(std::pow(0.75, 10)));
  SubmittedCase submitted;
  Submission s;
  s.problem = submitted.p.problem(), s.out = submitted.out;
  s.declared = {.implementation = Precision::f64, .stored = Dtype::f64};
  s.devices = 4;
  const Report report = check_submission(s, {.rows = 12, .list_undetectable = false});
  CHECK(report.sampled);
  CHECK(report.rows.size() == 12);
  CHECK((report.rows.front() == 0 && report.rows.back() == 63));
  CHECK(report.verdict == Verdict::pass);
}

TEST_CASE("one NaN or infinity in any row fails, although only a sample of the rows is judged") {
  SubmittedCase submitted({.B = 1, .Sq = 64, .Skv = 40, .Hq = 4, .Hkv = 2, .D = 32, .Dv = 24});
  const Gradients<double> right =
      attention_vjp(submitted.p.problem(), submitted.right, submitted.p.cotangents());
  const auto verdict_with = [&](const std::string& tensor, Index row, double number) {
    AttentionOutput<double> forward = submitted.right;
    Gradients<double> gradients = right;
    (tensor == "out"   ? forward.out
     : tensor == "lse" ? forward.lse
     : tensor == "dq"  ? gradients.dq
     : tensor == "dk"  ? gradients.dk
                       : gradients.dv)(0, row, tensor == "dk" || tensor == "dv" ? 1 : 2, 0) = number;
    Submission s;
    s.problem = submitted.p.problem(), s.cotangents = submitted.p.cotangents();
    s.out = forward.out, s.lse = forward.lse;
    s.dq = gradients.dq, s.dk = gradients.dk, s.dv = gradients.dv;
    s.declared = {.implementation = Precision::f64, .stored = Dtype::f64, .lse_stored = Dtype::f64};
    const Report report = check_submission(s, {.rows = 4, .diagnose = false, .list_undetectable = false});
    CHECK(report.sampled);
    return report.verdict;
  };
  for (const char* tensor : {"out", "lse", "dq", "dk", "dv"})
    for (const double number : {std::nan(""), infinity, -infinity})
      for (Index row = 25; row < 40; row += 7) {
        CAPTURE(std::string(tensor));
        CAPTURE(row);
        CHECK(verdict_with(tensor, row, number) == Verdict::fail);
      }

  // The first 24 queries have no visible key
  CHECK(verdict_with("lse", 13, -infinity) == Verdict::pass);
}
