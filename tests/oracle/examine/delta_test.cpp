// The backward pass: another delta, another slope, coarse scores.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/oracle/examine/examined_backward.h"

using namespace ringattn;
using enum FindingKind;

namespace {}  // namespace

TEST_CASE("a delta that is 0 in some rows is found to be missing in these rows only") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_backward(rule, [](const ExaminedRule&, const Problem<double>&, HeadBackward& head) {
      head.delta.tail(12).setZero();
      head.recompute_dS();
    });
    const auto findings = findings_by_tensor(rule.examine(), delta_law);
    REQUIRE(findings.size() == 2);
    for (const auto& [tensor, found] : findings) {
      CHECK(found.subject == "missing");
      for (const HeadRows& each : found.where) CHECK(each.rows.front() >= 25);
    }
  }
}

TEST_CASE("a delta from dout of other rows is found with the distance") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_backward(rule, [](const ExaminedRule&, const Problem<double>& problem, HeadBackward& head) {
      const Matrix<double> out = head.P * problem.V.head(head.b, problem.kv_head(head.h));
      for (Index i = 20; i < 37; ++i) head.delta(i) = head.dO.row(i - 17).dot(out.row(i));
      head.recompute_dS();
    });
    const auto findings = findings_by_tensor(rule.examine(), delta_law);
    REQUIRE(findings.size() == 2);
    CHECK(findings.at("dq").subject == "dout of row");
    CHECK(findings.at("dq").numbers.at("shift") == -17);
  }
}

TEST_CASE("a delta from out of another sequence is found with the sequence") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.attention.scoring.mask.causal = false;
    set_backward(rule, [](const ExaminedRule&, const Problem<double>& problem, HeadBackward& head) {
      const Tensor<double> out = attention(problem).out;
      head.delta = head.dO.cwiseProduct(out.head(1 - head.b, head.h)).rowwise().sum();
      head.recompute_dS();
    });
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    REQUIRE(!examination.findings.empty());
    for (const Finding& found : examination.findings) {
      CHECK(found.kind == delta_law);
      CHECK(found.subject == "other head");
      CHECK(found.quoted == "out");
      CHECK(found.numbers.contains("batch"));
    }
  }
}

TEST_CASE(
    "the delta of another head is called that, though an order of the axes would give it to this head, too") {
  ExaminedRule rule(Precision::bf16);
  Vector<double> before;
  set_backward(rule, [&before](const ExaminedRule&, const Problem<double>&, HeadBackward& head) {
    if (head.b == 0 && head.h == 1) before = head.delta;
    if (head.b == 0 && head.h == 2) head.delta = before, head.recompute_dS();
  });
  const auto findings = findings_by_tensor(rule.examine(), delta_law);
  REQUIRE(findings.size() == 2);
  for (const auto& [tensor, found] : findings) {
    CHECK(found.subject == "other head");
    CHECK(found.numbers.at("head") == 1);
  }
}

TEST_CASE("a P with the lse of the next row is found with the distance") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_backward(rule, [](const ExaminedRule&, const Problem<double>& problem, HeadBackward& head) {
      const Tensor<double> lse = attention(problem).lse;
      for (Index i = 0; i < 36; ++i)
        head.P.row(i) *= std::exp(lse(head.b, i, head.h, 0) - lse(head.b, i + 1, head.h, 0));
      head.recompute_dS();
    });
    const auto findings = findings_by_tensor(rule.examine(), probability_law);
    REQUIRE(findings.size() == 1);
    CHECK(findings.at("dv").subject == "lse of row");
    CHECK(findings.at("dv").numbers.at("shift") == 1);
  }
}

TEST_CASE("dP from V of another K/V head is found with the head") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    set_backward(rule, [](const ExaminedRule&, const Problem<double>& problem, HeadBackward& head) {
      head.dP = head.dO * problem.V.head(head.b, 1 - problem.kv_head(head.h)).transpose();
      head.recompute_dS();
    });
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    REQUIRE(examination.findings.size() == 4);  // dq and dk, from either head
    for (const Finding& found : examination.findings) {
      CHECK(found.kind == head_read);
      CHECK(found.numbers.at("head") == 1 - found.numbers.at("right_head"));
    }
  }
}

TEST_CASE("a mask that the backward pass lacks leaves nothing to report about dS in bf16") {
  ExaminedRule rule(Precision::bf16);
  rule.attention.scoring.mask.window_left = 7;
  set_backward(rule, [](const ExaminedRule&, const Problem<double>& problem, HeadBackward& head) {
    const Tensor<double> lse = attention(problem).lse;
    const Matrix<double> S = capped_scores(problem, head.b, head.h);
    for (Index n = 0; n < S.size(); ++n)
      head.P.data()[n] = std::exp(S.data()[n] - lse(head.b, n / S.cols(), head.h, 0));
    head.recompute_dS();
  });
  const auto findings = findings_by_tensor(rule.examine(), visible_all);
  CHECK(findings.size() == 1);
  CHECK(findings.contains("dv"));
}

TEST_CASE("a wrong derivative of the soft-cap is found with its form") {
  const double cap = 3;
  const std::pair<const char*, std::function<double(double)>> forms[] = {
      {"1 - s^2", [](double s) { return 1 - s * s; }},
      {"(1 - (s / cap)^2)^2", [&](double s) { return std::pow(1 - s * s / cap / cap, 2); }}};
  for (const Precision precision : precisions)
    for (const auto& [name, form] : forms) {
      ExaminedRule rule(precision);
      rule.attention.scoring.softcap = cap;
      set_backward(rule, [&](const ExaminedRule&, const Problem<double>& problem, HeadBackward& head) {
        head.dS.array() *= capped_scores(problem, head.b, head.h).unaryExpr(form).array();
      });
      const auto findings = findings_by_tensor(rule.examine(), gradient_score_factor);
      REQUIRE(findings.size() == 2);
      CHECK(findings.at("dq").subject.starts_with(name));
      CHECK(findings.at("dk").subject.starts_with(name));
    }
}

TEST_CASE("a smooth factor of the score in dS is found with its values") {
  ExaminedRule rule(Precision::bf16);
  set_backward(rule, [](const ExaminedRule&, const Problem<double>& problem, HeadBackward& head) {
    head.dS.array() *= capped_scores(problem, head.b, head.h).array().exp().min(3.0);
  });
  const auto findings = findings_by_tensor(rule.examine(), gradient_score_factor);
  REQUIRE(findings.contains("dq"));
  CHECK(std::abs(findings.at("dq").numbers.at("least_at_0") - 1) < 0.1);
}

TEST_CASE("scores that the backward pass rounds to bf16 are found as such in float32") {
  ExaminedRule rule(Precision::f32);
  set_backward(rule, [](const ExaminedRule&, const Problem<double>& problem, HeadBackward& head) {
    Tensor<double> K(problem.K.shape);
    for (Index b = 0; b < K.shape().B; ++b)
      for (Index g = 0; g < K.shape().H; ++g)
        K.head(b, g) =
            problem.K.head(b, g).unaryExpr([](double k) { return rounded_to(Precision::bf16, k / 3) * 3; });
    const Tensor<double> lse = attention(problem).lse;
    Problem<double> rounded = problem;
    rounded.K = K;
    head.P = probabilities(rounded, lse, head.b, head.h);
    head.recompute_dS();
  });
  const auto findings = findings_by_tensor(rule.examine(), coarse_rounding);
  CHECK(findings.size() == 1);
  CHECK(findings.at("dv").subject == "grows with q and k");
}

TEST_CASE("a backward pass of each device on its own block alone is found in all gradients") {
  for (const Precision precision : precisions) {
    ExaminedRule rule(precision);
    rule.attention.scoring.mask.causal = false;
    set_backward(rule, [](const ExaminedRule& r, const Problem<double>&, HeadBackward& head) {
      for (Index i = 0; i < 37; ++i) {
        for (Index j = 0; j < 37; ++j)
          if (r.device_of_row(i) != r.device_of_key(j)) head.P(i, j) = 0;
        head.P.row(i) /= head.P.row(i).sum();
      }
      head.delta = head.P.cwiseProduct(head.dP).rowwise().sum();
      head.recompute_dS();
      head.dS *= 3;
    });
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    for (const char* tensor : {"dq", "dk"}) {
      const bool said = std::any_of(
          examination.findings.begin(), examination.findings.end(),
          [&](const Finding& f) { return f.kind == gradient_of_own_block && f.tensor == tensor; });
      CHECK(said);
    }
  }
}

// ---- The derivative of lse --------------------------------------------------------

TEST_CASE("a derivative of lse that is ignored, has a factor or is right is found as such") {
  for (const Precision precision : precisions)
    for (const double factor : {0.0, -1.0, 1.0}) {
      ExaminedRule rule(precision);
      set_backward(rule, [](const ExaminedRule&, const Problem<double>&, HeadBackward&) {});
      rule.attention.backward_of_lse = [&](const Problem<double>& problem, Tensor<double> dlse) {
        for (Index n = 0; n < dlse.size(); ++n) dlse.data()[n] *= factor;
        const Tensor<double> dout(problem.out_shape());
        Gradients<double> result = attention_vjp(problem, attention(problem), {dout, dlse});
        for (Tensor<double>* gradient : {&result.dq, &result.dk, &result.dv})
          round_to(rule.attention.declared.stored, *gradient);
        return result;
      };
      const auto findings = findings_by_tensor(rule.examine(), gradient_of_lse);
      CHECK(findings.size() == (factor == 1 ? 0 : 2));
      for (const auto& [tensor, found] : findings)
        if (factor == 0)
          CHECK(found.subject == "ignored");
        else
          CHECK(std::abs(found.numbers.at("factor") - factor) < 0.01);
    }
}

// ---- Shifted scores ---------------------------------------------------------------

TEST_CASE("a backward pass that fails only where all scores of a row are very negative is found") {
  ExaminedRule rule(Precision::bf16);
  set_gradients(rule, [](const Problem<double>& problem, const Tensor<double>&, Gradients<double>& result) {
    const Tensor<double> lse = attention(problem).lse;
    for (Index b = 0; b < 2; ++b)
      for (Index h = 0; h < 6; ++h)
        for (Index i = 0; i < 37; ++i)
          if (lse(b, i, h, 0) < -88) result.dq.head(b, h).row(i).setConstant(std::nan(""));
  });
  const auto findings = findings_by_tensor(rule.examine(), shifted_scores_wrong);
  REQUIRE(findings.size() == 1);
  CHECK(findings.at("dq").numbers.at("shift") == -200);
  CHECK(findings.at("dq").subject == "not finite");
}

TEST_CASE("weights without the subtraction of a maximum are found by scores that overflow") {
  ExaminedRule rule(Precision::f32);
  rule.set([&](const Problem<double>& problem, Index b, Index h) {
    HeadResult result = rule.right(problem, b, h);
    const Matrix<double> S = scores(problem, b, h);
    for (Index i = 0; i < S.rows(); ++i)
      if (S.row(i).maxCoeff() > 88) result.weights.row(i).setConstant(std::nan(""));
    return result;
  });
  const Examination examination = rule.examine();
  REQUIRE(examination.findings.size() == 1);
  CHECK(examination.findings[0].kind == shifted_scores_wrong);
  CHECK(examination.findings[0].numbers.at("shift") == 200);
}
