// What dS of a backward pass is, if it is not that of the forward.

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/backward/gradient_factors.h"
#include "reference/oracle/examine/fit/statistics.h"

namespace ringattn {

using enum FindingKind;

namespace {

// The delta that was used, from dS = P (dP - delta) bend, with the P that was found; NaN where it says little
Matrix<double> used_delta(const HeadGradients& head, const Matrix<double>& dS) {
  Matrix<double> delta = Matrix<double>::Constant(dS.rows(), dS.cols(), not_known);
  for (Index i = 0; i < dS.rows(); ++i) {
    const double limit = 1e-3 * head.P.row(i).maxCoeff();
    for (Index j = 0; j < dS.cols(); ++j)
      if (head.P(i, j) > 0 && head.P(i, j) > limit)
        delta(i, j) = head.right_dP(i, j) - dS(i, j) / (head.P(i, j) * head.bend(i, j));
  }
  return delta;
}

// Does the delta that was used agree with a candidate?
template <class Candidate>
bool delta_is(const HeadGradients& head, const Matrix<double>& used, double tolerance,
              const Candidate& candidate) {
  for (Index i = 0; i < used.rows(); ++i)
    for (Index j = 0; j < used.cols(); ++j) {
      if (std::isnan(used(i, j))) continue;
      const double size = std::abs(head.right_dP(i, j)) + std::abs(head.right_delta(i)) + 1;
      if (!(std::abs(used(i, j) - candidate(i, j)) < 8 * tolerance * size)) return false;
    }
  return true;
}

// delta of each block of the ring alone: sum_j P dP over its keys, and the same divided by its sum of P
struct BlockDeltas {
  Matrix<double> sum, mean;
};

BlockDeltas deltas_of_blocks(const ExaminationState& state, const HeadGradients& head) {
  BlockDeltas deltas{Matrix<double>::Zero(head.P.rows(), head.P.cols()), {}};
  deltas.mean = deltas.sum;
  for (const BlockRows& block : ring_blocks(state.sharding))
    for (const Index i : block.rows) {
      double sum = 0, weight = 0;
      for (const Index j : block.keys)
        sum += head.right_P(i, j) * head.right_dP(i, j), weight += head.right_P(i, j);
      for (const Index j : block.keys)
        deltas.sum(i, j) = sum, deltas.mean(i, j) = sum / std::max(weight, 1e-30);
    }
  return deltas;
}

std::optional<Finding> delta_finding(const ExaminationState& state, const GradientReadout& readout,
                                     const HeadGradients& head, const Matrix<double>& used) {
  const auto law = [](const char* subject) { return Finding{.kind = delta_law, .subject = subject}; };
  const auto is = [&](const auto& candidate) { return delta_is(head, used, readout.tolerance, candidate); };
  if (is([&](Index i, Index) { return head.right_delta(i); })) return std::nullopt;
  if (is([](Index, Index) { return 0.0; })) return law("missing");
  if (is([&](Index i, Index) { return -head.right_delta(i); })) return law("opposite sign");
  if (state.sharding.devices() > 1) {
    const BlockDeltas deltas = deltas_of_blocks(state, head);
    if (is([&](Index i, Index j) { return deltas.sum(i, j); })) return law("sum over the block");
    if (is([&](Index i, Index j) { return deltas.mean(i, j); })) return law("out of the block");
  }

  // One delta for each row
  std::vector<double> of_row, ratios;
  for (Index i = 0; i < used.rows(); ++i) {
    of_row.push_back(median(known(used.row(i))));
    if (std::abs(head.right_delta(i)) > 0.3 && !std::isnan(of_row.back()))
      ratios.push_back(of_row.back() / head.right_delta(i));
  }
  if (ratios.empty() || !is([&](Index i, Index) { return of_row[static_cast<std::size_t>(i)]; }))
    return std::nullopt;
  Vector<double> l(used.rows());
  for (Index i = 0; i < l.size(); ++i) {
    double maximum = -INFINITY;
    for (Index j = 0; j < used.cols(); ++j)
      if (head.right_P(i, j) > 0) maximum = std::max(maximum, head.scores(i, j));
    l(i) = std::exp(head.right_lse(i) - maximum);
  }
  if (is([&](Index i, Index) { return l(i) * head.right_delta(i); })) return law("accumulator");
  const auto [least, greatest] = std::minmax_element(ratios.begin(), ratios.end());
  if (*least >= 0.9 && *greatest <= 1.1) return std::nullopt;  // what is wrong is not delta
  Finding finding = law("other value");
  finding.numbers = {{"least_ratio", *least}, {"greatest_ratio", *greatest}};
  return finding;
}

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

}  // namespace

std::vector<Finding> score_gradient_findings(const ExaminationState& state, const GradientReadout& readout,
                                             const HeadGradients& head, const Matrix<double>& found) {
  if (auto common = common_findings(state, found, head.right_dS, head.allowed_dS, readout.tolerance);
      !common.empty())
    return common;

  // dS of the P that was found, with the right delta: what is said about P explains it
  const Matrix<double> of_found_P = state.heads(head.b, head.h).scale_factor * head.P.array() *
                                    (head.right_dP.colwise() - head.right_delta).array() * head.bend.array();
  const Matrix<double> allowed =
      3 * head.allowed_dS.array() + 3 * readout.tolerance * of_found_P.cwiseAbs().array();
  const bool P_is_wrong = !within(head.P, head.right_P, head.allowed_P);
  if (P_is_wrong && within(found, of_found_P, allowed)) return {};
  if (P_is_wrong && (found.array() != 0).any()) {
    const double c = found.cwiseProduct(of_found_P).sum() / std::max(of_found_P.squaredNorm(), 1e-30);
    if (within(found, c * of_found_P, std::max(1.0, std::abs(c)) * allowed))
      return {{.kind = gradient_factor, .numbers = {{"factor", c}}, .subject = "of that P"}};
  }

  if (&found == &head.dS_of_k)
    if (const auto finding =
            sum_of_heads(state, readout, head, found, &HeadGradients::right_dS, &HeadGradients::allowed_dS))
      return {*finding};

  // The derivative of the soft-cap, and delta outside of the product
  const double factor = state.heads(head.b, head.h).scale_factor;
  const Matrix<double> without_bend =
      factor * head.right_P.array() * (head.right_dP.colwise() - head.right_delta).array();
  if (state.attention.scoring.softcap > 0 &&
      within(found, without_bend,
             3 * head.allowed_dS.array() + 3 * readout.tolerance * without_bend.cwiseAbs().array()))
    return {{.kind = softcap_derivative}};
  Matrix<double> outside = factor * head.right_P.array() * head.right_dP.array();
  outside.colwise() -= factor * head.right_delta;
  const Matrix<double> slack =
      3 * head.allowed_dS.array() + 3 * readout.tolerance * outside.cwiseAbs().array() + 1e-3;
  if (((found - outside).cwiseAbs().array() <= slack.array() || found.array() == 0).all() &&
      (found.array() != 0).any())
    return {{.kind = delta_outside}};

  const Matrix<double> used = used_delta(head, found);
  if (const auto finding = delta_finding(state, readout, head, used)) return {*finding};
  if (const auto finding = missing_channels(readout, state, head, found)) return {*finding};
  // Other keys than P in dV
  const Matrix<bool> wanted = head.right_P.unaryExpr([](double p) { return p > 0; });
  constexpr double nothing = 1e-6;  // a right dS that may come out as 0
  Matrix<bool> read = found.unaryExpr([](double dS) { return dS != 0; });
  for (Index n = 0; n < read.size(); ++n)
    if (wanted.data()[n] && std::abs(head.right_dS.data()[n]) < nothing) read.data()[n] = true;
  if (!P_is_wrong && (read.array() != wanted.array()).any()) return mask_findings(state, head, read);

  return {unexplained_gradient(found, head.right_dS, head.allowed_dS)};
}

}  // namespace ringattn
