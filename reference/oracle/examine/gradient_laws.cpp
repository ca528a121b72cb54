// What P and dS of a backward pass are, if they are not those of the forward.

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>

#include "reference/oracle/examine/block_sources.h"
#include "reference/oracle/examine/gradient_readout.h"
#include "reference/oracle/examine/score_fit.h"
#include "reference/oracle/examine/statistics.h"
#include "reference/oracle/examine/visible_rules.h"

namespace ringattn {

namespace {

using enum FindingKind;

bool within(const Matrix<double>& found, const Matrix<double>& wanted, const Matrix<double>& allowed) {
  return ((found - wanted).cwiseAbs().array() <= allowed.array()).all();
}

// ---- Factors ---------------------------------------------------------------------

// The median of found / right over the larger half of the right elements of a block
double factor_of(const Matrix<double>& found, const Matrix<double>& right) {
  std::vector<double> sizes, ratios;
  for (Index n = 0; n < right.size(); ++n) sizes.push_back(std::abs(right.data()[n]));
  const double limit = median(sizes);
  for (Index n = 0; n < right.size(); ++n)
    if (std::abs(right.data()[n]) > limit) ratios.push_back(found.data()[n] / right.data()[n]);
  return median(ratios);
}

// found = factor x right; none if it is not
std::optional<double> only_factor(const Matrix<double>& found, const Matrix<double>& right,
                                  const Matrix<double>& allowed) {
  const double factor = factor_of(found, right);
  if (!within(found, factor * right, 1.5 * std::max(1.0, std::abs(factor)) * allowed)) return std::nullopt;
  return factor;
}

std::optional<Finding> whole_factor(const Matrix<double>& found, const Matrix<double>& right,
                                    const Matrix<double>& allowed, double tolerance) {
  if ((found.array() == 0).all()) return Finding{.kind = gradient_missing};
  const auto factor = only_factor(found, right, allowed);
  if (!factor || std::abs(*factor - 1) <= 2 * tolerance) return std::nullopt;
  return Finding{.kind = gradient_factor, .numbers = {{"factor", *factor}}};
}

// Each block of the ring has one factor: the findings by factor; empty: not so
std::vector<Finding> factors_of_blocks(const ExaminationState& state, const Matrix<double>& found,
                                       const Matrix<double>& right, const Matrix<double>& allowed) {
  std::map<double, std::vector<BlockValue>> by_factor;
  std::vector<BlockValue> all;
  for (const BlockRows& block : ring_blocks(state.sharding)) {
    const Matrix<double> of_right = selected(right, block.rows, block.keys);
    if (of_right.size() == 0) continue;
    const Matrix<double> of_found = selected(found, block.rows, block.keys);
    const Matrix<double> slack = selected(allowed, block.rows, block.keys);
    if ((of_right.array() == 0).all()) {
      if (!within(of_found, of_right, slack)) return {};
      continue;
    }
    const auto factor = only_factor(of_found, of_right, slack);
    if (!factor) return {};
    all.push_back({block.device, block.block, 1});
    const double rounded = std::round(*factor * 50) / 50 + 0.0;
    if (rounded != 1) by_factor[rounded].push_back({block.device, block.block, rounded});
  }
  std::vector<Finding> findings;
  for (const auto& [factor, blocks] : by_factor)
    findings.push_back({.kind = gradient_block_factors,
                        .numbers = {{"factor", factor}},
                        .blocks = blocks,
                        .relation = relation_of(blocks, all, state.sharding.devices())});
  return findings;
}

// Each block holds what belongs to the block of another owner, at a fixed distance
std::optional<Finding> shifted_blocks(const ExaminationState& state, const Matrix<double>& found,
                                      const Matrix<double>& right, const Matrix<double>& allowed) {
  const int P = state.sharding.devices();
  const std::vector<BlockRows> blocks = ring_blocks(state.sharding);
  for (int t = 1; t < P; ++t) {
    const bool holds = std::all_of(blocks.begin(), blocks.end(), [&](const BlockRows& block) {
      const std::vector<Index>& keys = state.sharding.keys.rows_of(static_cast<int>((block.block + t) % P));
      return keys.size() == block.keys.size() &&
             within(selected(found, block.rows, block.keys), selected(right, block.rows, keys),
                    selected(allowed, block.rows, keys));
    });
    if (holds) return Finding{.kind = gradient_blocks_moved, .numbers = {{"shift", t}, {"devices", P}}};
  }
  return std::nullopt;
}

// A factor, blocks with a factor, or shifted blocks
std::vector<Finding> common_findings(const ExaminationState& state, const Matrix<double>& found,
                                     const Matrix<double>& right, const Matrix<double>& allowed,
                                     double tolerance) {
  if (const auto finding = whole_factor(found, right, allowed, tolerance)) return {*finding};
  if (state.sharding.devices() == 1) return {};
  if (auto findings = factors_of_blocks(state, found, right, allowed); !findings.empty()) return findings;
  if (const auto finding = shifted_blocks(state, found, right, allowed)) return {*finding};
  if (const auto sources = block_sources(state.sharding, found, right, allowed))
    return {{.kind = values_of_other_block, .blocks = *sources}};
  return {};
}

Finding unexplained(const Matrix<double>& found, const Matrix<double>& right, const Matrix<double>& allowed) {
  const auto wrong = ((found - right).cwiseAbs().array() > allowed.array()).count();
  return {.kind = gradient_unexplained,
          .numbers = {{"greatest_share", static_cast<double>(wrong) / static_cast<double>(found.size())}}};
}

// ---- P ---------------------------------------------------------------------------

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

std::vector<Finding> wrong_mask(const ExaminationState& state, const HeadGradients& head,
                                const Matrix<bool>& read) {
  std::vector<Finding> findings =
      visible_findings({state.attention, state.sharding, state.heads(head.b, head.h), read});
  for (Finding& finding : findings) finding.backward = true;
  return findings;
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
  if (const auto finding = lse_of_other_device(state, head, used, limit)) return finding;
  if (largest_magnitude(centred(used)) < 3 * readout.tolerance) {
    const Vector<double> sums = head.P.rowwise().sum();
    Finding finding = law("row sums");
    finding.numbers = {{"least_sum", sums.minCoeff()}, {"greatest_sum", sums.maxCoeff()}};
    return finding;
  }
  return std::nullopt;
}

}  // namespace

namespace {

// What dS^T dO would give in the place of P^T dO: with a one-hot dO of size _one_, row i in channel i mod Dv
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

// dV of a K/V head holds the P of another query head, alone or besides the right one. Heads at the same place of their
// groups are measured together
std::optional<Finding> sum_of_heads(const ExaminationState& state, const GradientReadout& readout,
                                    const HeadGradients& head) {
  const Index group = state.attention.q.H / state.attention.k.H;
  for (Index other = head.h % group; other < state.attention.q.H; other += group) {
    if (other == head.h) continue;
    const HeadGradients& source = readout.heads(head.b, other);
    const Matrix<double> allowed = head.allowed_P + source.allowed_P;
    const bool alone = within(head.P, source.right_P, allowed);
    if (!alone && !within(head.P, source.right_P + head.right_P, allowed)) continue;
    return Finding{.kind = gradient_of_heads,
                   .numbers = {{"head", static_cast<double>(other)}},
                   .subject = alone ? "alone" : ""};
  }
  return std::nullopt;
}

}  // namespace

std::vector<Finding> probability_findings(const ExaminationState& state, const GradientReadout& readout,
                                          const HeadGradients& head) {
  if (auto common = common_findings(state, head.P, head.right_P, head.allowed_P, readout.tolerance);
      !common.empty())
    return common;

  // dS, or the P of other heads that are measured in the same call
  const Matrix<double> dS = dS_of_one_hot(state, readout, head);
  if (within(head.P, dS, 3 * readout.tolerance * dS.cwiseAbs().array() + 0.02 * head.right_P.array() + 1e-3))
    return {{.kind = gradient_for_probability}};
  if (const auto finding = sum_of_heads(state, readout, head)) return {*finding};

  // Other keys
  const Matrix<bool> wanted = head.right_P.unaryExpr([](double p) { return p > 0; });
  Matrix<bool> read = head.P.unaryExpr([](double p) { return p > 0; });
  for (Index n = 0; n < read.size(); ++n)
    if (wanted.data()[n] && head.right_P.data()[n] < state.smallest_weight) read.data()[n] = true;
  if ((head.P.array() < -head.allowed_P.array()).any())
    return {unexplained(head.P, head.right_P, head.allowed_P)};
  if ((read.array() != wanted.array()).any()) return wrong_mask(state, head, read);

  // A scale, a normaliser
  Matrix<double> y = Matrix<double>::Constant(head.P.rows(), head.P.cols(), not_known);
  for (Index n = 0; n < y.size(); ++n)
    if (head.P.data()[n] > 0) y.data()[n] = std::log(head.P.data()[n]);
  const ScoreFit fit = fit_scores(y, head.scores, readout.tolerance);
  const double expected = state.heads(head.b, head.h).scale_factor;
  if (fit.share > 0.5 && std::abs(fit.factor - expected) > 0.01)
    return {{.kind = gradient_scale, .numbers = {{"factor", fit.factor / expected}}}};
  if (const auto finding = normaliser_of(state, readout, head, wanted)) return {*finding};
  return {unexplained(head.P, head.right_P, head.allowed_P)};
}

// ---- dS --------------------------------------------------------------------------

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
  if (!finding.indices.contains("channels")) return std::nullopt;
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
  return {unexplained(found, head.right_dS, head.allowed_dS)};
}

}  // namespace ringattn
