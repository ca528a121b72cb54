// The part of the gradients that comes from dlse: with dout = 0, dS = P * dlse, and dv = 0.

#include <cmath>

#include "reference/oracle/examine/backward/gradient_readout.h"

namespace ringattn {

namespace {

using enum FindingKind;

OrdinaryGradients gradients_of_dlse(const ExaminationState& state, const GradientReadout& readout,
                                    const Tensor<double>& dlse) {
  PerHead<HeadGradients> heads = readout.heads;
  for (HeadGradients& head : heads) {
    head.right_dP.setZero(), head.allowed_dP.setConstant(1e-4);
    head.right_dS = dS_of(head, head.right_P, head.right_dP, -dlse.head(head.b, head.h).col(0));
    head.allowed_dS = allowed_dS_of(readout, head, head.right_P, head.right_dS);
  }
  return ordinary_gradients(state, heads,
                            {readout.wide_Q, readout.wide_K, Tensor<double>(readout.dout.shape())});
}

bool is_zero(const Tensor<double>& tensor) {
  return std::all_of(tensor.data(), tensor.data() + tensor.size(), [](double x) { return x == 0; });
}

// found = factor x right within rounding
bool has_factor(const Tensor<double>& found, const Tensor<double>& right, const Tensor<double>& allowed,
                double factor) {
  for (Index n = 0; n < found.size(); ++n) {
    const double limit = std::max(1.0, std::abs(factor)) * allowed.data()[n];
    if (!(std::abs(found.data()[n] - factor * right.data()[n]) <= limit)) return false;
  }
  return true;
}

double fitted_factor(const Tensor<double>& found, const Tensor<double>& right) {
  double product = 0, square = 0;
  for (Index n = 0; n < found.size(); ++n)
    product += found.data()[n] * right.data()[n], square += right.data()[n] * right.data()[n];
  return square > 0 ? product / square : 1;
}

}  // namespace

void find_gradient_of_lse(ExaminationState& state, const GradientReadout& readout) {
  const ExaminedAttention& a = state.attention;
  if (!a.backward_of_lse || !readout.reads_dS(a)) return;
  Tensor<double> dlse = row_tensor<double>(a.q.B, a.q.S, a.q.H);
  for (Index n = 0; n < dlse.size(); ++n) dlse.data()[n] = four_bits(state.random.normal());
  const OrdinaryGradients ordinary = gradients_of_dlse(state, readout, dlse);
  Gradients<double> found = state.prober.backward_of_lse({readout.wide_Q, readout.inputs.K}, readout.V, dlse);
  found.dq = state.prober.backward_of_lse({readout.inputs.Q, readout.wide_K}, readout.V, dlse).dq;

  const auto add = [&](const char* tensor, const Tensor<double>& of_found, const Tensor<double>& right,
                       const Tensor<double>& allowed) {
    if (has_factor(of_found, right, allowed, 1)) return;
    Finding finding{.kind = gradient_of_lse, .tensor = tensor};
    const double factor = fitted_factor(of_found, right);
    if (is_zero(of_found))
      finding.subject = "ignored";
    else if (has_factor(of_found, right, allowed, factor))
      finding.numbers["factor"] = factor;
    state.findings.add(finding);
  };
  add("dq", found.dq, ordinary.right.dq, ordinary.allowed.dq);
  add("dk", found.dk, ordinary.right.dk, ordinary.allowed.dk);
  if (!is_zero(found.dv)) state.findings.add({.kind = gradient_of_lse, .tensor = "dv", .subject = "dv"});
}

}  // namespace ringattn
