// Wrong denominators, merges and lse: what is found is what is wrong.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/minus_infinity.h"
#include "tests/oracle/examine/examined_rule.h"

using namespace ringattn;
using enum FindingKind;

namespace {

// The blocks of a row that sees a key of them, in the order of the ring
template <class Visit>
void visit_blocks(const ExaminedRule& rule, const Matrix<double>& S, Index i, const Visit& visit) {
  const int P = rule.attention.devices, device = rule.device_of_row(i);
  for (int t = 0; t < P; ++t) {
    double m = -INFINITY, l = 0;
    const int owner = (device - t + P) % P;
    for (Index j = 0; j < S.cols(); ++j)
      if (rule.device_of_key(j) == owner) m = std::max(m, S(i, j));
    if (m == -INFINITY) continue;
    for (Index j = 0; j < S.cols(); ++j)
      if (rule.device_of_key(j) == owner) l += std::exp(S(i, j) - m);
    visit(owner, m, l);
  }
}

}  // namespace

TEST_CASE("weights that do not sum to 1 are found with their factor") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      HeadResult result = rule.right(problem, b, h);
      if (h % 2 == 0) result.weights *= 0.25;
      return result;
    });
    const Finding finding = the_only(rule.examine(), row_sum_factor);
    CHECK(std::abs(finding.numbers.at("factor") - 0.25) < 1e-3);
    CHECK(finding.where.size() == 6);
  }
}

TEST_CASE("padding keys in the denominator are found with their number") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      HeadResult result = rule.right(problem, b, h);
      for (Index i = 0; i < result.weights.rows(); ++i) {
        result.weights.row(i) /= 1 + 5 * std::exp(-result.lse(i));
        result.lse(i) += std::log1p(5 * std::exp(-result.lse(i)));
      }
      return result;
    });
    const Examination examination = rule.examine();
    CHECK(std::abs(the_only(examination, extra_term).numbers.at("term") - 5) < 0.05);
    CHECK(examination.explained);
  }
}

TEST_CASE("a missing division by the denominator is found") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    HeadResult result = rule.right(problem, b, h);
    for (Index i = 0; i < result.weights.rows(); ++i)
      result.weights.row(i) /= result.weights.row(i).maxCoeff();
    return result;
  });
  CHECK(only(rule.examine(), denominator_missing).has_value());
}

TEST_CASE("a mask after the softmax is found as hidden keys in the denominator") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    const Matrix<double> S = capped_scores(problem, b, h), masked = scores(problem, b, h);
    HeadResult result = ExaminedRule::of_scores(problem, S, b, h);
    for (Index n = 0; n < S.size(); ++n)
      if (masked.data()[n] == minus_infinity<double>) result.weights.data()[n] = 0;
    return result;
  });
  CHECK(only(rule.examine(), hidden_keys_counted).has_value());
}

TEST_CASE("an accumulator that is not rescaled is found as a law of the running maximum") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      const Matrix<double> S = scores(problem, b, h);
      HeadResult result = rule.right(problem, b, h);
      for (Index i = 0; i < S.rows(); ++i) {
        double running = -INFINITY;
        visit_blocks(rule, S, i, [&](int owner, double m, double) {
          running = std::max(running, m);
          for (Index j = 0; j < S.cols(); ++j)
            if (rule.device_of_key(j) == owner) result.weights(i, j) *= std::exp(-running);
        });
        result.weights.row(i) *= std::exp(running);
      }
      return result;
    });
    const Finding finding = the_only(rule.examine(), block_factors);
    REQUIRE(finding.law.size() == 1);
    CHECK(finding.law[0].feature == "running maximum");
    CHECK(finding.law[0].order == "ring");
    CHECK(std::abs(finding.law[0].weight + 1) < 0.02);
  }
}

TEST_CASE("blocks that are averaged whatever their lse are found as a law of that lse") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      const Matrix<double> S = scores(problem, b, h);
      HeadResult result = rule.right(problem, b, h);
      for (Index i = 0; i < S.rows(); ++i)
        visit_blocks(rule, S, i, [&](int owner, double m, double l) {
          for (Index j = 0; j < S.cols(); ++j)
            if (rule.device_of_key(j) == owner) result.weights(i, j) = std::exp(S(i, j) - m) / l / 3;
        });
      return result;
    });
    const Finding finding = the_only(rule.examine(), block_factors);
    REQUIRE(finding.law.size() == 1);
    CHECK(finding.law[0].feature == "lse");
    CHECK(std::abs(finding.law[0].weight + 1) < 0.02);
  }
}

TEST_CASE("an lse in base 2 is found") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    HeadResult result = rule.right(problem, b, h);
    result.lse /= std::log(2);
    return result;
  });
  const Examination examination = rule.examine();
  CHECK(the_only(examination, lse_relation).subject == "base 2");
}

TEST_CASE("an lse of the last block alone is found") {
  ExaminedRule rule(Precision::bf16);
  rule.attention.scoring.mask.causal = false;
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    HeadResult result = rule.right(problem, b, h);
    const Matrix<double> S = scores(problem, b, h);
    for (Index i = 0; i < S.rows(); ++i)
      visit_blocks(rule, S, i, [&](int, double m, double l) { result.lse(i) = m + std::log(l); });
    return result;
  });
  CHECK(the_only(rule.examine(), lse_relation).subject == "last block");
}

TEST_CASE("rows without a visible key that hold numbers are found") {
  ExaminedRule rule(Precision::bf16, 37, 29);  // the first eight rows see no key
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    HeadResult result = rule.right(problem, b, h);
    for (Index i = 0; i < 8; ++i) result.weights.row(i).setConstant(1.0 / 29), result.lse(i) = 0;
    return result;
  });
  const Examination examination = rule.examine();
  CHECK(only(examination, filled_rows)->subject == "mean of all keys");
  CHECK(only(examination, lse_of_empty_rows).has_value());
  CHECK(examination.findings.size() == 2);
}
