// Laws of block factors, of lse, of shifted queries and of shifted scores: what is found is what is wrong.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/oracle/report/finding_text.h"
#include "tests/oracle/examine/examined_rule.h"

using namespace ringattn;
using enum FindingKind;

TEST_CASE("an lse that adds a logarithm to base 2 to a natural maximum is found with both factors") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      HeadResult result = rule.right(problem, b, h);
      const Matrix<double> S = scores(problem, b, h);
      for (Index i = 0; i < S.rows(); ++i) {
        const double m = S.row(i).maxCoeff();
        result.lse(i) = m + (result.lse(i) - m) / std::log(2.0);
      }
      return result;
    });
    const Finding finding = the_only(rule.examine(), lse_relation);
    CHECK(finding.subject == "maximum and sum");
    CHECK(std::abs(finding.numbers.at("of_maximum") - 1) < 2e-3);
    CHECK(std::abs(finding.numbers.at("of_sum") * std::log(2.0) - 1) < 2e-3);
  }
}

TEST_CASE("a rescaling that is skipped below a threshold is found as a law of the maximum that is kept") {
  for (const double threshold : {2.0, 1e9}) {
    ExaminedRule rule(Precision::bf16, 37, 61);
    rule.attention.scoring.mask.causal = false, rule.attention.devices = 1;
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      const Matrix<double> S = scores(problem, b, h);
      HeadResult result = rule.right(problem, b, h);
      for (Index i = 0; i < S.rows(); ++i) {
        double kept = -INFINITY;
        for (Index first = 0; first < 61; first += 16) {
          const Index keys = std::min<Index>(16, 61 - first);
          const double m = S.row(i).segment(first, keys).maxCoeff();
          if (m - kept > threshold)
            kept = m;
          else
            result.weights.row(i).segment(first, keys) *= std::exp(-std::max(0.0, m - kept));
        }
        result.weights.row(i) /= result.weights.row(i).sum();
      }
      return result;
    });
    const Finding finding = the_only(rule.examine(), block_factors);
    REQUIRE(finding.law.size() == (threshold < 1e9 ? 2 : 1));
    CHECK(finding.law[0].feature == "kept maximum");
    CHECK(finding.law[0].order == "left to right");
    if (threshold < 1e9) CHECK(std::abs(finding.law[1].weight - threshold) < 0.1);
  }
}

TEST_CASE(
    "blocks that are merged with the lse of another row and head are found with the order of the axes") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.attention.scoring.mask.causal = false;
    const Shape& q = rule.attention.q;
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      HeadResult result = rule.right(problem, b, h);
      const RowSharding sharding(rule.attention.layout, rule.attention.devices, q.S);
      for (int owner = 0; owner < rule.attention.devices; ++owner)
        for (Index i = 0; i < q.S; ++i) {
          // (head, row) of the device, read as (row, head)
          const std::vector<Index>& rows = sharding.rows_of(rule.device_of_row(i));
          const Index n = static_cast<Index>(rows.size()), address = sharding.place_of(i) * q.H + h;
          const auto lse_of = [&](Index head, Index row) {
            const Matrix<double> S = scores(problem, b, head);
            double sum = 0;
            for (Index j = 0; j < S.cols(); ++j)
              if (rule.device_of_key(j) == owner) sum += std::exp(S(row, j));
            return std::log(sum);
          };
          const double factor =
              std::exp(lse_of(address / n, rows[static_cast<std::size_t>(address % n)]) - lse_of(h, i));
          for (Index j = 0; j < problem.K.shape.S; ++j)
            if (rule.device_of_key(j) == owner) result.weights(i, j) *= factor;
        }
      for (Index i = 0; i < q.S; ++i) result.weights.row(i) /= result.weights.row(i).sum();
      return result;
    });
    const Finding finding = the_only(rule.examine(), block_lse_of_row);
    CHECK(finding.subject == "head, row");
  }
}

TEST_CASE("queries that are shifted by one vector in each tile are found with the tiles and the vectors") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision, 37, 41);
    rule.attention.scoring.mask.causal = false;
    rule.set([&](const Problem<double>& problem, Index b, Index h) {
      const Matrix<double> Q = problem.Q.head(b, h), K = problem.K.head(b, problem.kv_head(h));
      const Vector<double> first = Q.topRows(9).colwise().mean();
      Matrix<double> S = scores(problem, b, h);
      for (Index row = 9; row < 37; row += 9) {
        const Index rows = std::min<Index>(9, 37 - row);
        const Vector<double> mean = Q.middleRows(row, rows).colwise().mean();
        const Vector<double> added = problem.scoring.scale(24) * K * (first - mean);
        S.middleRows(row, rows).rowwise() += added.transpose();
      }
      return ExaminedRule::of_scores(problem, S, b, h);
    });
    const Finding finding = the_only(rule.examine(), queries_shifted);
    CHECK(finding.indices.at("first_rows") == std::vector<Index>{9, 18, 27, 36});
    CHECK(std::abs(finding.numbers.at("of_own") + 1) < 0.05);
    CHECK(std::abs(finding.numbers.at("of_first") - 1) < 0.05);
    CHECK(all_have_rows(finding, range(9, 36)));
  }
}

TEST_CASE("rows whose maximum is not subtracted are found with what they hold and where that begins") {
  ExaminedRule rule(Precision::bf16);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    HeadResult result = rule.right(problem, b, h);
    const Matrix<double> S = scores(problem, b, h);
    for (Index i = 0; i < S.rows(); ++i)
      if (i % 8 < 3 && S.row(i).maxCoeff() < -90) result.weights.row(i).setZero(), result.lse(i) = -INFINITY;
    return result;
  });
  const Finding finding = the_only(rule.examine(), shifted_scores_wrong);
  CHECK(finding.quoted == "0, and lse -inf");
  CHECK(finding.numbers.at("greatest_right_shift") > 80);
  CHECK(finding.numbers.at("least_wrong_shift") < 105);
  std::vector<Index> rows;
  for (Index i = 0; i < 37; ++i)
    if (i % 8 < 3) rows.push_back(i);
  CHECK(all_have_rows(finding, rows));
}
