// Scores of vectors that are turned as by a rotary embedding (Su et al., arXiv:2104.09864) that the problem does not
// have: pair p of channels is turned by the angle n base^(-2 p / D), n positions.

#include <cmath>

#include "reference/oracle/examine/fit/score_fit.h"
#include "reference/oracle/examine/fit/statistics.h"
#include "reference/oracle/examine/scores/score_explanation.h"

namespace ringattn {

namespace {

using enum FindingKind;

constexpr double enough_pairs = 0.85;  // that a rotation must explain
constexpr double bases[] = {10000, 500000, 1000000};

struct Rotation {
  double base;
  bool halves;  // channel d is paired with d + D/2; otherwise neighbours are

  // Row n of x, turned by positions(n)
  template <class Positions>
  Matrix<double> operator()(const Matrix<double>& x, const Positions& positions) const {
    const Index D = x.cols();
    Matrix<double> turned = x;
    for (Index p = 0; p < D / 2; ++p) {
      const Index first = halves ? p : 2 * p, second = halves ? p + D / 2 : 2 * p + 1;
      const double unit = std::pow(base, -2.0 * static_cast<double>(p) / static_cast<double>(D));
      for (Index n = 0; n < x.rows(); ++n) {
        const double angle = unit * positions(n), c = std::cos(angle), s = std::sin(angle);
        turned(n, first) = c * x(n, first) - s * x(n, second);
        turned(n, second) = s * x(n, first) + c * x(n, second);
      }
    }
    return turned;
  }
};

struct Operands {
  Matrix<double> Q, K;  // Q times the scale
};

Finding rotation_finding(const Rotation& rotation) {
  return {.kind = scores_rotated,
          .numbers = {{"base", rotation.base}},
          .subject = rotation.halves ? "halves" : "neighbours"};
}

// Q, K or both turned by a multiple of their own position
MaybeExplanation turned_by_position(const MeasuredScores& m, const Operands& operands,
                                    const Rotation& rotation) {
  const auto queries = m.state.attention.q_positions.of(m.head.b),
             keys = m.state.attention.kv_positions.of(m.head.b);
  for (const char* which : {"q and k", "q", "k"})
    for (const double factor : {1.0, -1.0, -2.0}) {
      const std::string of = which;
      const auto by = [factor](auto positions, bool turned) {
        return [=](Index n) {
          return turned ? factor * static_cast<double>(positions[static_cast<std::size_t>(n)].position) : 0.0;
        };
      };
      const Matrix<double> scores = rotation(operands.Q, by(queries, of != "k")) *
                                    rotation(operands.K, by(keys, of != "q")).transpose();
      if (fit_scores(m.y, scores, m.state.tolerance, m.by_owner).share <= enough_pairs) continue;
      Finding finding = rotation_finding(rotation);
      finding.numbers["factor"] = factor, finding.quoted = of;
      return ScoreExplanation{.findings = {finding}, .scores = scores};
    }
  return {};
}

// The number of positions by which the keys of a block are turned against its rows; none if no number explains it
std::optional<Index> offset_of(const MeasuredScores& m, const Operands& operands, const Rotation& rotation,
                               const BlockRows& block) {
  std::vector<Index> few, all_channels;
  for (std::size_t n = 0; n < block.rows.size(); n += std::max<std::size_t>(1, block.rows.size() / 8))
    few.push_back(block.rows[n]);
  few.push_back(block.rows.back());
  for (Index d = 0; d < operands.Q.cols(); ++d) all_channels.push_back(d);
  const Matrix<double> K = selected(operands.K, block.keys, all_channels),
                       y_few = selected(m.y, few, block.keys),
                       Q_few = selected(operands.Q, few, all_channels);
  for (Index distance = 0; distance < m.head.keys(); ++distance)
    for (const Index offset : {distance, -distance}) {
      const Matrix<double> turned = rotation(K, [offset](Index) { return static_cast<double>(offset); });
      if (fit_scores(y_few, Q_few * turned.transpose(), m.state.tolerance).share <= enough_pairs) continue;
      const Matrix<double> S = selected(operands.Q, block.rows, all_channels) * turned.transpose();
      if (fit_scores(selected(m.y, block.rows, block.keys), S, m.state.tolerance).share > enough_pairs)
        return offset;
    }
  return std::nullopt;
}

// The keys of each block turned against its rows by one number of positions
MaybeExplanation turned_by_block(const MeasuredScores& m, const Operands& operands,
                                 const Rotation& rotation) {
  Finding finding = rotation_finding(rotation);
  bool turned = false;
  for (const BlockRows& block : ring_blocks(m.state.sharding)) {
    if (block.rows.empty() || block.keys.empty()) continue;
    if (known(selected(m.y, block.rows, block.keys)).size() <= 40) continue;
    const auto offset = offset_of(m, operands, rotation, block);
    if (!offset) return {};
    turned |= *offset != 0;
    finding.blocks.push_back({block.device, block.block, static_cast<double>(*offset)});
  }
  if (!turned) return {};
  return ScoreExplanation{.findings = {finding}, .closes_rows = true};
}

}  // namespace

MaybeExplanation rotated_vectors(const MeasuredScores& m) {
  const ExaminedAttention& a = m.state.attention;
  if (a.q.D % 2 != 0 || a.scoring.softcap > 0) return {};
  const Operands operands{a.scoring.scale(a.q.D) * m.state.varied_inputs.Q.head(m.head.b, m.head.h),
                          m.state.varied_inputs.K.head(m.head.b, a.kv_head(m.head.h))};
  for (const double base : bases)
    for (const bool halves : {true, false})
      if (MaybeExplanation explanation = turned_by_position(m, operands, {base, halves})) return explanation;
  for (const double base : bases)
    for (const bool halves : {true, false})
      if (MaybeExplanation explanation = turned_by_block(m, operands, {base, halves})) return explanation;
  return {};
}

}  // namespace ringattn
