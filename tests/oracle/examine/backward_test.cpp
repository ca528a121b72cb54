// The backward pass: what is wrong with P, dS and the blocks of the ring.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/oracle/examine/examined_backward.h"

using namespace ringattn;
using enum FindingKind;

namespace {}  // namespace

TEST_CASE("a missing delta is found in dq and dk, and not in dv") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_backward(rule, [](const ExaminedRule&, const Problem<double>&, HeadBackward& head) {
      head.dS = head.P.cwiseProduct(head.dP);
    });
    const auto findings = findings_by_tensor(rule.examine(), delta_law);
    CHECK(findings.size() == 2);
    CHECK(findings.at("dq").subject == "missing");
    CHECK(findings.at("dk").subject == "missing");
  }
}

TEST_CASE("a block that gets no contributions of one device is found in dk and dv") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_backward(rule, [](const ExaminedRule& r, const Problem<double>&, HeadBackward& head) {
      for (Index i = 0; i < head.P.rows(); ++i)
        for (Index j = 0; j < head.P.cols(); ++j)
          if (r.device_of_row(i) == 2 && r.device_of_key(j) == 0) head.P(i, j) = head.dS(i, j) = 0;
    });
    const auto findings = findings_by_tensor(rule.examine(), gradient_block_factors);
    for (const char* tensor : {"dq", "dk", "dv"}) {
      REQUIRE(findings.contains(tensor));
      CHECK(findings.at(tensor).numbers.at("factor") == 0);
      REQUIRE(findings.at(tensor).blocks.size() == 1);
      CHECK(findings.at(tensor).blocks[0].device == 2);
      CHECK(findings.at(tensor).blocks[0].block == 0);
    }
  }
}

TEST_CASE("a P that is computed with the lse of the own block is found, and dS is not accused") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_backward(rule, [](const ExaminedRule& r, const Problem<double>& problem, HeadBackward& head) {
      const Matrix<double> S = scores(problem, head.b, head.h);
      for (Index i = 0; i < S.rows(); ++i) {
        double l = 0;
        for (Index j = 0; j < S.cols(); ++j)
          if (r.device_of_key(j) == r.device_of_row(i)) l += std::exp(S(i, j));
        for (Index j = 0; j < S.cols(); ++j) head.P(i, j) = std::exp(S(i, j)) / l;
      }
      head.recompute_dS();
    });
    const auto findings = findings_by_tensor(rule.examine(), probability_law);
    REQUIRE(findings.size() == 1);
    CHECK(findings.at("dv").subject == "lse of the own block");
  }
}

TEST_CASE("a backward pass that masks other keys than the forward is found") {
  ExaminedRule rule(Precision::bf16);
  set_backward(rule, [](const ExaminedRule&, const Problem<double>&, HeadBackward& head) {
    for (Index i = 0; i < head.P.rows(); ++i) head.P(i, i) = 0;
    head.recompute_dS();
  });
  const auto findings = findings_by_tensor(rule.examine(), visible_band);
  REQUIRE(findings.size() == 1);
  CHECK(findings.at("dv").backward);
  CHECK(findings.at("dv").numbers.at("last") == -1);
}

TEST_CASE("gradients with a wrong factor are found with it") {
  ExaminedRule rule(Precision::bf16);
  set_backward(rule, [](const ExaminedRule&, const Problem<double>&, HeadBackward& head) { head.dS *= 0.5; });
  const auto findings = findings_by_tensor(rule.examine(), gradient_factor);
  CHECK(findings.size() == 2);
  CHECK(std::abs(findings.at("dq").numbers.at("factor") - 0.5) < 0.01);
}

TEST_CASE("gradients that stop one device short of their owner are found with the distance") {
  ExaminedRule rule(Precision::bf16, 36, 36);
  set_backward(rule, [](const ExaminedRule&, const Problem<double>&, HeadBackward&) {});
  const auto right = rule.attention.backward;
  rule.attention.backward = [right](const Problem<double>& problem, const Tensor<double>& dout) {
    Gradients<double> result = right(problem, dout);
    std::vector<Index> rows;
    for (Index n = 0; n < 36; ++n) rows.push_back((n + 12) % 36);
    result.dk = select_rows(result.dk.view(), rows), result.dv = select_rows(result.dv.view(), rows);
    return result;
  };
  const auto findings = findings_by_tensor(rule.examine(), gradient_blocks_moved);
  CHECK(findings.size() == 2);
  CHECK(findings.at("dk").numbers.at("shift") == 1);
}

TEST_CASE("a wrong forward whose backward differentiates it has no findings about gradients") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.set_changed_problem([](Problem<double>& problem) { problem.scoring.mask.window_left = 9; });
    rule.attention.backward = [&](Problem<double> problem, const Tensor<double>& dout) {
      problem.scoring.mask.window_left = 9;
      Gradients<double> result = attention_vjp(problem, attention(problem), {dout, {}});
      for (Tensor<double>* gradient : {&result.dq, &result.dk, &result.dv})
        round_to(rule.attention.declared.stored, *gradient);
      return result;
    };
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    REQUIRE(examination.findings.size() == 1);
    CHECK(examination.findings[0].kind == visible_band);
    CHECK(examination.findings[0].tensor.empty());
  }
}

TEST_CASE("gradients that do not come from dout, and exchanged ones, are found") {
  ExaminedRule rule(Precision::f32);
  rule.attention.v.D = rule.attention.k.D;
  set_backward(rule, [](const ExaminedRule&, const Problem<double>&, HeadBackward&) {});
  const auto right = rule.attention.backward;
  rule.attention.backward = [right](const Problem<double>& problem, const Tensor<double>& dout) {
    Gradients<double> result = right(problem, dout);
    std::swap(result.dk, result.dv);
    return result;
  };
  CHECK(only(rule.examine(), gradients_exchanged).has_value());
  rule.attention.backward = [right](const Problem<double>& problem, const Tensor<double>& dout) {
    Gradients<double> result = right(problem, dout);
    result.dq(1, 3, 2, 1) += 1;
    return result;
  };
  CHECK(only(rule.examine(), gradient_without_dout)->subject == "dq");
}

TEST_CASE("a mask that only dq and dk lack is found in them") {
  ExaminedRule rule(Precision::bf16);
  set_backward(rule, [](const ExaminedRule&, const Problem<double>& problem, HeadBackward& head) {
    const Tensor<double> lse = attention(problem).lse;
    const Matrix<double> S = capped_scores(problem, head.b, head.h);
    for (Index i = 0; i < S.rows(); ++i)
      for (Index j = 0; j < S.cols(); ++j)
        head.dS(i, j) = std::exp(S(i, j) - lse(head.b, i, head.h, 0)) * (head.dP(i, j) - head.delta(i));
  });
  const auto findings = findings_by_tensor(rule.examine(), visible_all);
  CHECK(findings.size() == 2);
  CHECK(findings.contains("dq"));
  CHECK(findings.contains("dk"));
}
