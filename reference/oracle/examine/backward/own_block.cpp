// A backward pass in which each device differentiates attention to its own block alone.

#include <cmath>

#include "reference/oracle/examine/backward/gradient_factors.h"
#include "reference/oracle/examine/fit/block_relation.h"

namespace ringattn {

namespace {

// The head as it would be if its rows saw the own block only
HeadGradients within_own_block(const GradientReadout& readout, const ExaminationState& state,
                               const HeadGradients& head) {
  HeadGradients own = head;
  for (Index i = 0; i < head.P.rows(); ++i) {
    double sum = 0;
    for (Index j = 0; j < head.P.cols(); ++j) {
      if (state.device_of_row(i) != state.device_of_key(j)) own.right_P(i, j) = 0;
      sum += own.right_P(i, j);
    }
    if (sum > 0) own.right_P.row(i) /= sum;
  }
  own.right_delta = own.right_P.cwiseProduct(own.right_dP).rowwise().sum();
  own.right_dS = dS_of(own, own.right_P, own.right_dP, own.right_delta);
  own.allowed_P = allowed_P_of(readout, own.right_P);
  own.allowed_dS = allowed_dS_of(readout, own, own.right_P, own.right_dS);
  return own;
}

}  // namespace

std::vector<Finding> own_block_findings(const ExaminationState& state, const GradientReadout& readout,
                                        const HeadGradients& head, const Matrix<double>& found,
                                        PairTensor tensor) {
  if (state.sharding.devices() == 1) return {};
  const HeadGradients own = within_own_block(readout, state, head);
  const bool of_P = tensor == PairTensor::P;
  const Matrix<double>&right = of_P ? own.right_P : own.right_dS,
        &allowed = of_P ? own.allowed_P : own.allowed_dS;
  const Finding finding{.kind = FindingKind::gradient_of_own_block};
  if (within(found, right, allowed)) return {finding};
  std::vector<Finding> findings = common_findings(state, found, right, allowed, readout.tolerance);
  for (Finding& each : findings)
    if (each.kind == FindingKind::gradient_factor) each.subject = "of own block";
  if (!findings.empty()) findings.insert(findings.begin(), finding);
  return findings;
}

}  // namespace ringattn
