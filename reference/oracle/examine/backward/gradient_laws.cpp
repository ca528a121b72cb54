// What dS of a backward pass is, if it is not that of the forward.

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/backward/gradient_factors.h"

namespace ringattn {

using enum FindingKind;

namespace {

// dP = dO . v with some channels missing
std::optional<Finding> missing_channels(const GradientReadout& readout, const ExaminationState& state,
                                        const HeadGradients& head, const Matrix<double>& dS) {
  const auto dO = readout.dout.head(head.b, head.h);
  const auto V = readout.V.head(head.b, state.attention.kv_head(head.h));
  const Index Dv = dO.cols(), rows = std::min<Index>(16, dS.rows());
  std::vector<std::pair<Index, Index>> pairs;
  for (Index n = 0; n < rows; ++n)
    for (Index j = 0; j < dS.cols(); ++j)
      if (const Index i = dS.rows() - 1 - n; head.P(i, j) > 1e-3 * head.P.row(i).maxCoeff())
        pairs.emplace_back(i, j);
  if (static_cast<Index>(pairs.size()) < 2 * (Dv + rows)) return std::nullopt;
  Eigen::MatrixXd A = Eigen::MatrixXd::Zero(static_cast<Index>(pairs.size()), Dv + rows);
  Eigen::VectorXd y(A.rows());
  for (Index n = 0; n < A.rows(); ++n) {
    const auto [i, j] = pairs[static_cast<std::size_t>(n)];
    A.row(n).head(Dv) = dO.row(i).cwiseProduct(V.row(j));
    A(n, Dv + dS.rows() - 1 - i) = 1;
    y(n) = dS(i, j) / (head.P(i, j) * head.bend(i, j));
  }
  const Eigen::VectorXd weights = A.colPivHouseholderQr().solve(y).head(Dv);
  Finding finding{.kind = value_channels};
  for (Index d = 0; d < Dv; ++d)
    if (std::abs(weights(d)) < 0.1)
      finding.indices["channels"].push_back(d);
    else if (!(std::abs(weights(d) - 1) < 0.2))
      return std::nullopt;
  const auto missing = static_cast<Index>(finding.indices["channels"].size());
  if (missing == 0 || missing == Dv) return std::nullopt;
  return finding;
}

// dP = dO . v with V of another K/V head, of any sequence, and the right delta
std::optional<Finding> values_of_other_head(const ExaminationState& state, const GradientReadout& readout,
                                            const HeadGradients& head, const Matrix<double>& P,
                                            const Matrix<double>& dS) {
  const ExaminedAttention& a = state.attention;
  const Index own = a.kv_head(head.h);
  for (Index b = 0; b < a.k.B; ++b)
    for (Index g = 0; g < a.k.H; ++g) {
      if (b == head.b && g == own) continue;
      const Matrix<double> dP = readout.dout.head(head.b, head.h) * readout.V.head(b, g).transpose();
      const Matrix<double> other = dS_of(head, P, dP, head.right_delta);
      if (!within(dS, other, 2 * allowed_dS_of(readout, head, P, other))) continue;
      Finding finding{
          .kind = head_read,
          .numbers = {{"head", static_cast<double>(g)}, {"right_head", static_cast<double>(own)}}};
      if (b != head.b) finding.numbers["batch"] = static_cast<double>(b);
      return finding;
    }
  return std::nullopt;
}

}  // namespace

std::vector<Finding> score_gradient_findings(const ExaminationState& state, const GradientReadout& readout,
                                             const HeadGradients& head, const Matrix<double>& found) {
  if (auto common = common_findings(state, found, head.right_dS, head.allowed_dS, readout.tolerance);
      !common.empty())
    return common;

  // dS of the P that was found, with the right delta: the finding about P explains it
  const bool P_is_wrong = !within(head.P, head.right_P, head.allowed_P) && (head.P.array() != 0).any();
  if (P_is_wrong && (found.array() != 0).any()) {
    const Matrix<double> of_P = dS_of(head, head.P, head.right_dP, head.right_delta);
    const Matrix<double> allowed = 1.5 * allowed_dS_of(readout, head, head.P, of_P);
    if (within(found, of_P, allowed)) return {};
    const double c = found.cwiseProduct(of_P).sum() / std::max(of_P.squaredNorm(), 1e-30);
    if (within(found, c * of_P, std::max(1.0, std::abs(c)) * allowed))
      return {{.kind = gradient_factor, .numbers = {{"factor", c}}, .subject = "of that P"}};
  }

  // delta outside of the product
  Matrix<double> outside = head.scale_factor * head.right_P.array() * head.right_dP.array();
  outside.colwise() -= head.scale_factor * head.right_delta;
  const Matrix<double> slack =
      3 * head.allowed_dS.array() + 3 * readout.tolerance * outside.cwiseAbs().array() + 1e-3;
  if (((found - outside).cwiseAbs().array() <= slack.array() || found.array() == 0).all() &&
      (found.array() != 0).any())
    return {{.kind = delta_outside}};

  // A function of the score, another delta, other channels
  std::vector<const Matrix<double>*> used{&head.right_P};
  if (P_is_wrong) used.insert(used.begin(), &head.P);
  for (const Matrix<double>* P : used) {
    if (const auto finding = score_factor_finding(state, readout, head, *P, found)) return {*finding};
    if (const auto finding = delta_finding(state, readout, head, *P, found)) return {*finding};
    if (const auto finding = values_of_other_head(state, readout, head, *P, found)) return {*finding};
  }
  if (const auto finding = missing_channels(readout, state, head, found)) return {*finding};

  // Other keys than P in dV
  const Matrix<bool> wanted = head.right_P.unaryExpr([](double p) { return p > 0; });
  constexpr double nothing = 1e-6;  // a right dS that may come out as 0
  Matrix<bool> read = found.unaryExpr([](double dS) { return dS != 0; });
  for (Index n = 0; n < read.size(); ++n)
    if (wanted.data()[n] && std::abs(head.right_dS.data()[n]) < nothing) read.data()[n] = true;
  const Matrix<double> read_right = read.select(head.right_dS, 0);
  const bool right_where_read =
      (wanted.array() == false || (found - read_right).cwiseAbs().array() <= 2 * head.allowed_dS.array())
          .all();
  if (!P_is_wrong && right_where_read && (read.array() != wanted.array()).any())
    return mask_findings(state, head, read);

  if (auto findings = own_block_findings(state, readout, head, found, PairTensor::dS); !findings.empty())
    return findings;
  return {unexplained_gradient(found, head.right_dS, head.allowed_dS)};
}

}  // namespace ringattn
