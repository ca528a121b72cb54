// Wrong implementations: rows that are wrong beside rows that are right.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/oracle/report/finding_text.h"
#include "tests/oracle/examine/examined_rule.h"

using namespace ringattn;
using enum FindingKind;

namespace {}  // namespace

TEST_CASE("scores that are wrong in a few rows are reported for these rows only") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      Matrix<double> S = scores(problem, b, h);
      const Matrix<double> right = S;
      for (Index i = 25; i < 30; ++i)
        for (Index j = 0; j <= i; ++j) S(i, j) = right(i, j) * right(i, j);
      return ExaminedRule::of_scores(problem, S, b, h);
    });
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    REQUIRE(!examination.findings.empty());
    for (const Finding& finding : examination.findings) CHECK(all_have_rows(finding, range(25, 29)));
  }
}

TEST_CASE("rows that use q of another row and head are found with the order of the axes") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.attention.scoring.mask.causal = false;
    Tensor<double> Q;
    rule.set_changed_problem([&](Problem<double>& problem) {
      Q = Tensor<double>(problem.Q.shape);
      for (Index b = 0; b < 2; ++b)
        for (Index i = 0; i < 37; ++i)
          for (Index h = 0; h < 6; ++h) {
            const Index n = i * 6 + h;  // (head, row) is read as (row, head)
            Q.head(b, h).row(i) = problem.Q.head(b, n / 37).row(n % 37);
          }
      problem.Q = Q;
    });
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    const std::optional<Finding> found = only(examination, scores_of_rows);
    REQUIRE(found.has_value());
    CHECK(sentence_of(rule.attention, *found)
              .find("(query head, row) is read in the order (row, query head)") != std::string::npos);
  }
}

TEST_CASE("a row that is masked as another one is found with the rule of the other row") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S = capped_scores(problem, b, h);
    for (Index i = 0; i < 37; ++i)
      for (Index j = i / 3 + 1; j < 37; ++j) S(i, j) = -INFINITY;
    return ExaminedRule::of_scores(problem, S, b, h);
  });
  const std::optional<Finding> found = only(rule.examine(), rows_masked_as);
  REQUIRE(found.has_value());
  CHECK(found->subject == "divided");
  CHECK(found->numbers.at("n") == 3);
}

TEST_CASE("keys that have the scores of other keys are found with these") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.attention.scoring.mask.causal = false;
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      Matrix<double> S = capped_scores(problem, b, h);
      S.middleCols(6, 4) = capped_scores(problem, b, h).middleCols(20, 4);
      return ExaminedRule::of_scores(problem, S, b, h);
    });
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    REQUIRE(examination.findings.size() == 1);
    CHECK(examination.findings[0].kind == scores_of_key);
    CHECK(examination.findings[0].indices.at("keys") == range(6, 9));
    CHECK(examination.findings[0].indices.at("sources") == range(20, 23));
  }
}

TEST_CASE("a soft-cap that is applied twice is not taken for rounding") {
  ExaminedRule rule(Precision::bf16);
  rule.attention.scoring.softcap = 3;
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    Matrix<double> S = scores(problem, b, h);
    for (Index n = 0; n < S.size(); ++n)
      if (std::isfinite(S.data()[n])) S.data()[n] = 3 * std::tanh(S.data()[n] / 3);
    return ExaminedRule::of_scores(problem, S, b, h);
  });
  const Examination examination = rule.examine();
  CAPTURE(kinds_of(examination));
  CHECK(!only(examination, coarse_rounding).has_value());
  CHECK(!examination.findings.empty());
}

TEST_CASE("an lse of keys minus their mean is found to be wrong by scale q . mean of k") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision, 61, 61);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      HeadResult result = rule.right(problem, b, h);
      const auto K = problem.K.head(b, problem.kv_head(h));
      const Vector<double> mean = K.colwise().mean();
      result.lse -= problem.scoring.scale(24) * problem.Q.head(b, h) * mean;
      return result;
    });
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    const std::optional<Finding> found = only(examination, lse_relation);
    REQUIRE(found.has_value());
    CHECK(found->subject == "mean of the keys");
    CHECK(std::abs(found->numbers.at("factor") + 1) < 0.05);
  }
}

TEST_CASE("channels of zeros are found as such, and the rest is still measured") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      return ExaminedRule::of_scores(problem, 1.5 * scores(problem, b, h), b, h);
    });
    const auto wrong = rule.attention.forward;
    rule.attention.forward = [wrong](const Problem<double>& problem) {
      AttentionOutput<double> result = wrong(problem);
      for (Index b = 0; b < 2; ++b)
        for (Index h = 0; h < 6; ++h) result.out.head(b, h).rightCols(4).setZero();
      return result;
    };
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    const std::optional<Finding> found = only(examination, channels_differ);
    REQUIRE(found.has_value());
    CHECK(found->subject == "zero");
    CHECK(found->indices.at("channels") == range(7, 10));
    CHECK(only(examination, scale).has_value());
  }
}
