// What P of a backward pass is, if it is not that of the forward.

#include <algorithm>
#include <cmath>
#include <functional>

#include "reference/oracle/examine/backward/gradient_factors.h"
#include "reference/oracle/examine/fit/score_fit.h"
#include "reference/oracle/examine/fit/statistics.h"

namespace ringattn {

using enum FindingKind;

namespace {

// log sum exp of the scores of the keys of a set, row by row
template <class Condition>
Vector<double> log_sums(const HeadGradients& head, const Matrix<bool>& visible, const Condition& condition) {
  Vector<double> sums(head.scores.rows());
  for (Index i = 0; i < sums.size(); ++i) {
    double sum = 0;
    for (Index j = 0; j < head.scores.cols(); ++j)
      if (visible(i, j) && condition(i, j)) sum += std::exp(head.scores(i, j));
    sums(i) = std::log(sum);
  }
  return sums;
}

// P of each block is exp(score - lse) with the scores of one K block
std::optional<Finding> scores_of_other_blocks(const ExaminationState& state, const GradientReadout& readout,
                                              const HeadGradients& head) {
  Finding finding{.kind = scores_of_block};
  const Sharding& sharding = state.sharding;
  for (const BlockRows& block : ring_blocks(sharding)) {
    const Matrix<double> P = selected(head.P, block.rows, block.keys);
    if ((P.array() > 0).count() < 12) continue;
    const auto fits = [&](const std::vector<Index>& keys) {
      if (keys.size() != block.keys.size()) return false;
      const Matrix<double> S = selected(head.scores, block.rows, keys);
      for (Index i = 0; i < P.rows(); ++i)
        for (Index j = 0; j < P.cols(); ++j)
          if (P(i, j) > 0) {
            const double lse = head.right_lse(block.rows[static_cast<std::size_t>(i)]);
            if (!(std::abs(std::log(P(i, j)) - S(i, j) + lse) < 3 * readout.tolerance)) return false;
          }
      return true;
    };
    if (fits(block.keys)) continue;
    int source = 0;
    while (source < sharding.devices() && !fits(sharding.keys.rows_of(source))) ++source;
    if (source == sharding.devices()) return std::nullopt;
    finding.blocks.push_back({block.device, block.block, static_cast<double>(source)});
  }
  if (finding.blocks.empty()) return std::nullopt;
  return finding;
}

// c_ij is the lse of the row at the same place of another device, one device for each block
std::optional<Finding> lse_of_other_device(const ExaminationState& state, const HeadGradients& head,
                                           const Matrix<double>& used, double limit) {
  Finding finding{.kind = probability_law, .subject = "lse of other rows"};
  for (const BlockRows& block : ring_blocks(state.sharding)) {
    bool known_block = false, found = false;
    for (int device = 0; device < state.sharding.devices() && !found; ++device) {
      const std::vector<Index>& rows = state.sharding.queries.rows_of(
          static_cast<int>((block.device + device) % state.sharding.devices()));
      if (rows.size() != block.rows.size()) continue;
      found = true;
      for (std::size_t n = 0; n < rows.size(); ++n)
        for (const Index j : block.keys)
          if (const double c = used(block.rows[n], j); !std::isnan(c))
            known_block = true, found &= std::abs(c - head.right_lse(rows[n])) < limit;
      if (found && known_block)
        finding.blocks.push_back({block.device, block.block,
                                  static_cast<double>((block.device + device) % state.sharding.devices())});
    }
    if (known_block && !found) return std::nullopt;
  }
  return finding;
}

// c_i is the lse of row i + shift
std::optional<Finding> lse_of_other_rows(const HeadGradients& head, const Matrix<double>& used,
                                         double limit) {
  constexpr Index fewest = 4;
  const Index Sq = used.rows();
  for (Index distance = 1; distance < Sq; ++distance)
    for (const Index shift : {distance, -distance}) {
      Index rows = 0;
      bool holds = true;
      for (Index i = 0; i < Sq && holds; ++i) {
        const std::vector<double> c = known(used.row(i));
        if (c.empty() || i + shift < 0 || i + shift >= Sq) continue;
        holds = std::abs(median(c) - head.right_lse(i + shift)) < limit, ++rows;
      }
      if (holds && rows >= std::max(fewest, Sq / 2))
        return Finding{.kind = probability_law,
                       .numbers = {{"shift", static_cast<double>(shift)}},
                       .subject = "lse of row"};
    }
  return std::nullopt;
}

// P = exp(S - c) for a known c of each row and block: which?
std::optional<Finding> normaliser_of(const ExaminationState& state, const GradientReadout& readout,
                                     const HeadGradients& head, const Matrix<bool>& visible) {
  const Index Sq = head.P.rows(), Skv = head.P.cols();
  Matrix<double> used = Matrix<double>::Constant(Sq, Skv, not_known);  // c_ij = S - ln P
  for (Index n = 0; n < used.size(); ++n)
    if (visible.data()[n] && head.P.data()[n] > 0)
      used.data()[n] = head.scores.data()[n] - std::log(head.P.data()[n]);

  const double limit = 4 * readout.tolerance;
  const auto is = [&](const std::function<double(Index, Index)>& wanted) {
    for (Index i = 0; i < Sq; ++i)
      for (Index j = 0; j < Skv; ++j)
        if (!std::isnan(used(i, j)) && !(std::abs(used(i, j) - wanted(i, j)) < limit)) return false;
    return true;
  };
  const auto law = [](const char* subject) { return Finding{.kind = probability_law, .subject = subject}; };
  const int P = state.sharding.devices();
  if (P > 1) {
    std::vector<Vector<double>> of_block;
    for (int block = 0; block < P; ++block)
      of_block.push_back(
          log_sums(head, visible, [&](Index, Index j) { return state.device_of_key(j) == block; }));
    const auto block_of = [&](Index j) { return static_cast<std::size_t>(state.device_of_key(j)); };
    if (is([&](Index i, Index j) { return of_block[block_of(j)](i); })) return law("lse of the block");
    if (is([&](Index i, Index) { return of_block[static_cast<std::size_t>(state.device_of_row(i))](i); }))
      return law("lse of the own block");
  }
  if (is([](Index, Index) { return 0.0; })) return law("without lse");
  Vector<double> maximum = Vector<double>::Constant(Sq, -INFINITY);
  for (Index i = 0; i < Sq; ++i)
    for (Index j = 0; j < Skv; ++j)
      if (visible(i, j)) maximum(i) = std::max(maximum(i), head.scores(i, j));
  if (is([&](Index i, Index) { return maximum(i); })) return law("maximum for lse");
  if (is([&](Index i, Index) { return head.right_lse(i) / std::log(2.0); })) return law("lse in base 2");
  if (is([&](Index i, Index) { return head.right_lse(i) * std::log(2.0); })) return law("lse times ln 2");
  if (auto finding = lse_of_other_device(state, head, used, limit)) return finding;
  if (largest_magnitude(centred(used)) < 3 * readout.tolerance) {
    if (auto finding = lse_of_other_rows(head, used, limit)) return finding;
    const Vector<double> sums = head.P.rowwise().sum();
    Finding finding = law("row sums");
    finding.numbers = {{"least_sum", sums.minCoeff()}, {"greatest_sum", sums.maxCoeff()}};
    return finding;
  }
  return std::nullopt;
}

// What dS^T dO would give instead of P^T dO: with a one-hot dO of size _one_, row i in channel i mod Dv
Matrix<double> dS_of_one_hot(const ExaminationState& state, const GradientReadout& readout,
                             const HeadGradients& head) {
  const auto V = readout.V.head(head.b, state.attention.kv_head(head.h));
  const Matrix<double> out = head.right_P * V;
  Matrix<double> dS = head.right_P;
  for (Index i = 0; i < dS.rows(); ++i) {
    const Index d = i % state.attention.v.D;
    dS.row(i) = std::abs(state.prober.one()) * dS.row(i).array() * (V.col(d).transpose().array() - out(i, d));
  }
  return dS;
}

// Small errors of ln P, and whether they grow with |q| |k|, as those of rounded scores do
std::optional<Finding> coarse_scores(const ExaminationState& state, const GradientReadout& readout,
                                     const HeadGradients& head) {
  const Vector<double> q = readout.inputs.Q.head(head.b, head.h).rowwise().norm(),
                       k = readout.inputs.K.head(head.b, state.attention.kv_head(head.h)).rowwise().norm();
  constexpr double small = 0.04;
  struct Error {
    double size, square;
  };
  std::vector<Error> errors;
  double sum = 0;
  for (Index n = 0; n < head.P.size(); ++n) {
    if (!(head.right_P.data()[n] > 100 * readout.tiny) || head.right_P.data()[n] < 1e-12) continue;
    const double error = std::log(head.P.data()[n] / head.right_P.data()[n]);
    if (!(std::abs(error) < small)) return std::nullopt;
    errors.push_back({q(n / head.P.cols()) * k(n % head.P.cols()), error * error}), sum += error * error;
  }
  if (errors.size() < 12) return std::nullopt;
  std::sort(errors.begin(), errors.end(), [](const Error& x, const Error& y) { return x.size < y.size; });
  const std::size_t third = errors.size() / 3;
  double low = 0, high = 0;
  for (std::size_t n = 0; n < third; ++n)
    low += errors[n].square, high += errors[errors.size() - 1 - n].square;
  return Finding{.kind = coarse_rounding,
                 .numbers = {{"greatest_error", std::sqrt(sum / static_cast<double>(errors.size()))}},
                 .subject = high > 2 * low ? "grows with q and k" : ""};
}

}  // namespace

std::vector<Finding> probability_findings(const ExaminationState& state, const GradientReadout& readout,
                                          const HeadGradients& head) {
  if (auto common = common_findings(state, head.P, head.right_P, head.allowed_P, readout.tolerance);
      !common.empty())
    return common;

  // P of another query head, or dS
  for (const HeadGradients& other : readout.heads)
    if (other.b == head.b && other.h != head.h && within(head.P, other.right_P, other.allowed_P))
      return {{.kind = scores_of_head,
               .numbers = {{"query_head", static_cast<double>(other.h)},
                           {"right_query_head", static_cast<double>(head.h)}}}};
  const Matrix<double> dS = dS_of_one_hot(state, readout, head);
  if (within(head.P, dS, 3 * readout.tolerance * dS.cwiseAbs().array() + 0.02 * head.right_P.array() + 1e-3))
    return {{.kind = gradient_for_probability}};

  // Other keys
  const Matrix<bool> wanted = head.right_P.unaryExpr([](double p) { return p > 0; });
  Matrix<bool> read = head.P.unaryExpr([](double p) { return p > 0; });
  for (Index n = 0; n < read.size(); ++n)
    if (wanted.data()[n] && head.right_P.data()[n] < state.smallest_weight) read.data()[n] = true;
  if ((head.P.array() < -head.allowed_P.array()).any())
    return {unexplained_gradient(head.P, head.right_P, head.allowed_P)};
  if (const auto finding = scores_of_other_blocks(state, readout, head)) return {*finding};
  if ((read.array() != wanted.array()).any()) return mask_findings(state, head, read);

  // A scale, a normaliser
  Matrix<double> y = Matrix<double>::Constant(head.P.rows(), head.P.cols(), not_known);
  for (Index n = 0; n < y.size(); ++n)
    if (head.P.data()[n] > 0) y.data()[n] = std::log(head.P.data()[n]);
  const ScoreFit fit = fit_scores(y, head.scores, readout.tolerance);
  const double expected = state.heads(head.b, head.h).scale_factor;
  if (fit.share > 0.5 && std::abs(fit.factor - expected) > 0.01)
    return {{.kind = gradient_scale, .numbers = {{"factor", fit.factor / expected}}}};
  if (const auto finding = normaliser_of(state, readout, head, wanted)) return {*finding};
  if (const auto finding = coarse_scores(state, readout, head)) return {*finding};
  if (auto findings = own_block_findings(state, readout, head, head.P, PairTensor::P); !findings.empty())
    return findings;
  return {unexplained_gradient(head.P, head.right_P, head.allowed_P)};
}

}  // namespace ringattn
