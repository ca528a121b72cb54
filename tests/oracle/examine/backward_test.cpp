// The backward pass: nothing is found in right kernels, and in wrong ones what is wrong.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/oracle/examine/examined_rule.h"
#include "tests/support/trials.h"

using namespace ringattn;
using enum FindingKind;

namespace {

constexpr Precision precisions[] = {Precision::f32, Precision::bf16};

// dS and P of one head, to be changed, and what follows from them
struct HeadBackward {
  Index b, h;
  Matrix<double> P, dP, dS;
  Vector<double> delta;
};

using ChangeBackward = std::function<void(const ExaminedRule&, const Problem<double>&, HeadBackward&)>;

// A right forward with this backward
void set_backward(ExaminedRule& rule, const ChangeBackward& change) {
  rule.attention.backward = [&rule, change](const Problem<double>& problem, const Tensor<double>& dout) {
    const AttentionOutput<double> forward = attention(problem);
    Gradients<double> result{Tensor<double>(problem.Q.shape), Tensor<double>(problem.K.shape),
                             Tensor<double>(problem.V.shape)};
    const double scale = problem.scoring.scale(problem.Q.shape.D);
    for (Index b = 0; b < problem.Q.shape.B; ++b)
      for (Index h = 0; h < problem.Q.shape.H; ++h) {
        const Index kv = problem.kv_head(h);
        HeadBackward head{b, h, probabilities(problem, forward.lse, b, h), {}, {}, {}};
        head.dP = dout.head(b, h) * problem.V.head(b, kv).transpose();
        head.delta = dout.head(b, h).cwiseProduct(forward.out.head(b, h)).rowwise().sum();
        head.dS = head.P.array() * (head.dP.colwise() - head.delta).array();
        change(rule, problem, head);
        for (Matrix<double>* operand : {&head.P, &head.dS})
          for (Index n = 0; n < operand->size(); ++n)
            operand->data()[n] = rounded_to(rule.attention.declared.implementation, operand->data()[n]);
        result.dq.head(b, h) = scale * head.dS * problem.K.head(b, kv);
        result.dk.head(b, kv) += scale * head.dS.transpose() * problem.Q.head(b, h);
        result.dv.head(b, kv) += head.P.transpose() * dout.head(b, h);
      }
    for (Tensor<double>* gradient : {&result.dq, &result.dk, &result.dv})
      round_to(rule.attention.declared.stored, *gradient);
    return result;
  };
}

// dS of the P that the head has now
void recompute_dS(HeadBackward& head) { head.dS = head.P.array() * (head.dP.colwise() - head.delta).array(); }

// Checks that all findings are of one kind; returns them by tensor
std::map<std::string, Finding> findings_by_tensor(const Examination& examination, FindingKind kind) {
  CAPTURE(kinds_of(examination));
  std::map<std::string, Finding> findings;
  for (const Finding& finding : examination.findings) {
    CHECK(finding.kind == kind);
    findings.insert_or_assign(finding.tensor, finding);
  }
  return findings;
}

}  // namespace

TEST_CASE("nothing is found in the backward pass of right kernels") {
  const int count = trials(12);
  for (int trial = 0; trial < count; ++trial) {
    constexpr Precision all[] = {Precision::f64, Precision::f32, Precision::tf32, Precision::bf16,
                                 Precision::f16};
    const Precision precision = all[trial % 5];
    ExaminedRule rule(precision, 31 + trial, trial % 2 ? 31 + trial : 45);
    Kernel kernel{.precision = precision, .stored = rule.attention.declared.stored, .tile = 7 + trial};
    if (precision == Precision::f64) kernel.stored = rule.attention.declared.stored = Dtype::f64;
    kernel.devices = rule.attention.devices,
    kernel.layout = rule.attention.layout = all_layouts[static_cast<std::size_t>(trial % 3)];
    if (trial % 4 == 0) rule.attention.scoring.softcap = 6;
    rule.attention.forward = [&](const Problem<double>& problem) {
      return emulated_attention(problem, kernel);
    };
    rule.attention.backward = [&](const Problem<double>& problem, const Tensor<double>& dout) {
      return emulated_vjp(problem, emulated_attention(problem, kernel), {dout, {}}, kernel);
    };
    CAPTURE(kernel.describe());
    const Examination examination = rule.examine();
    CAPTURE(kinds_of(examination));
    CHECK(examination.findings.empty());
  }
}

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
      recompute_dS(head);
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
    recompute_dS(head);
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
  CHECK(only(rule.examine(), gradients_exchanged) != nullptr);
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
