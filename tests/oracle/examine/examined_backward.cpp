#include "tests/oracle/examine/examined_backward.h"

#include <doctest/doctest.h>

namespace ringattn {

void set_backward(ExaminedRule& rule, const ChangeBackward& change) {
  rule.attention.backward = [&rule, change](const Problem<double>& problem, const Tensor<double>& dout) {
    const AttentionOutput<double> forward = attention(problem);
    Gradients<double> result{Tensor<double>(problem.Q.shape), Tensor<double>(problem.K.shape),
                             Tensor<double>(problem.V.shape)};
    const double scale = problem.scoring.scale(problem.Q.shape.D);
    for (Index b = 0; b < problem.Q.shape.B; ++b)
      for (Index h = 0; h < problem.Q.shape.H; ++h) {
        const Index kv = problem.kv_head(h);
        HeadBackward head{b, h, dout.head(b, h), probabilities(problem, forward.lse, b, h), {}, {}, {}};
        head.dP = head.dO * problem.V.head(b, kv).transpose();
        head.delta = head.dO.cwiseProduct(forward.out.head(b, h)).rowwise().sum();
        head.recompute_dS();
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

namespace {

Tensor<double> copied(const TensorView<const double>& view) {
  Tensor<double> tensor(view.shape);
  for (Index b = 0; b < view.shape.B; ++b)
    for (Index h = 0; h < view.shape.H; ++h) tensor.head(b, h) = view.head(b, h);
  return tensor;
}

}  // namespace

void set_backward_of_operands(ExaminedRule& rule, const ChangeOperands& change) {
  rule.attention.backward = [&rule, change](const Problem<double>& problem, const Tensor<double>& dout) {
    BackwardOperands operands{copied(problem.Q), copied(problem.K), copied(problem.V), dout};
    change(operands);
    Problem<double> changed = problem;
    changed.Q = operands.Q, changed.K = operands.K, changed.V = operands.V;
    Gradients<double> result = attention_vjp(changed, attention(problem), {operands.dout, {}});
    for (Tensor<double>* gradient : {&result.dq, &result.dk, &result.dv})
      round_to(rule.attention.declared.stored, *gradient);
    return result;
  };
}

void set_gradients(ExaminedRule& rule, const ChangeGradients& change) {
  set_backward(rule, [](const ExaminedRule&, const Problem<double>&, HeadBackward&) {});
  const auto right = rule.attention.backward;
  rule.attention.backward = [right, change](const Problem<double>& problem, const Tensor<double>& dout) {
    Gradients<double> result = right(problem, dout);
    change(problem, dout, result);
    return result;
  };
}

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

}  // namespace ringattn
