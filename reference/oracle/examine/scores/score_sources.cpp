// Scores of the right form, from the wrong place: another scale, head, block, key or row.

#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/fit/row_sources.h"
#include "reference/oracle/examine/fit/score_fit.h"
#include "reference/oracle/examine/fit/statistics.h"
#include "reference/oracle/examine/scores/score_explanation.h"

namespace ringattn {

namespace {

using enum FindingKind;

constexpr double most_pairs = 0.5, nearly_all_pairs = 0.85;
constexpr std::size_t fewest_pairs = 20;

double tolerance_of(const MeasuredScores& m) { return m.state.tolerance; }

ScoreFit best_fit(const MeasuredScores& m, const Matrix<double>& scores) {
  return fit_scores(m.y, scores, tolerance_of(m), m.by_owner);
}

// A factor on the scores that is not 1 by more than rounding
bool differs_from_1(const MeasuredScores& m, double factor) {
  return std::abs(factor - 1) > std::max(0.2 * tolerance_of(m), 3e-4);
}

Finding scale_finding(double factor) { return {.kind = scale, .numbers = {{"factor", factor}}}; }

// ---- Factors --------------------------------------------------------------------

// The factor of each block of the ring
struct BlockScale {
  BlockRows block;
  double factor;
};

std::vector<BlockScale> scales_of_blocks(const MeasuredScores& m) {
  std::vector<BlockScale> scales;
  for (BlockRows& block : ring_blocks(m.state.sharding)) {
    const Matrix<double> y = selected(m.y, block.rows, block.keys);
    if (known(y).size() <= fewest_pairs) continue;
    const ScoreFit fit = fit_scores(y, selected(m.head.scores, block.rows, block.keys), tolerance_of(m));
    if (!(fit.share > 0.9)) return {};
    scales.push_back({std::move(block), fit.factor});
  }
  return scales;
}

}  // namespace

MaybeExplanation scale_of_blocks(const MeasuredScores& m) {
  const int P = m.state.sharding.devices();
  if (P == 1 || best_fit(m, m.head.scores).share >= 0.97) return {};
  const std::vector<BlockScale> scales = scales_of_blocks(m);
  if (scales.empty()) return {};
  const auto less = [](const BlockScale& a, const BlockScale& b) { return a.factor < b.factor; };
  const auto [least, greatest] = std::minmax_element(scales.begin(), scales.end(), less);
  if (!(greatest->factor - least->factor > 0.05)) return {};

  // By step if each step has one factor
  ScoreExplanation explanation{.scores = m.head.scores};
  std::map<Index, std::pair<double, double>> of_step;
  Finding finding{.kind = scale_by_block};
  for (const auto& [block, factor] : scales) {
    const Index step = (block.device - block.block + P) % P;
    auto& [low, high] = of_step.try_emplace(step, factor, factor).first->second;
    low = std::min(low, factor), high = std::max(high, factor);
    finding.blocks.push_back({block.device, block.block, factor});
    for (const Index i : block.rows)
      for (const Index j : block.keys) explanation.scores(i, j) *= factor;
  }
  const bool by_step = std::all_of(of_step.begin(), of_step.end(), [](const auto& each) {
    return each.second.second - each.second.first < 0.03 * each.second.second;
  });
  if (by_step) {
    finding = {.kind = scale_by_step};
    for (const auto& [step, range] : of_step)
      finding.blocks.push_back({0, step, (range.first + range.second) / 2});
  }
  explanation.findings = {finding};
  return explanation;
}

MaybeExplanation scale_of_head(const MeasuredScores& m) {
  const ScoreFit fit = best_fit(m, m.head.scores);
  const bool small = largest_magnitude(centred(m.y - m.head.scores)) < 0.04;
  if (fit.share < most_pairs && !small) return {};
  ScoreExplanation explanation{.scores = m.head.scores, .up_to_blocks = true};
  if (fit.share >= most_pairs && differs_from_1(m, fit.factor))
    explanation.findings = {scale_finding(fit.factor)}, explanation.scores *= fit.factor;
  return explanation;
}

MaybeExplanation without_softcap(const MeasuredScores& m) {
  if (m.state.attention.scoring.softcap == 0) return {};
  const ScoreFit fit = best_fit(m, m.head.products);
  if (!(fit.share > 0.9)) return {};
  return ScoreExplanation{.findings = {{.kind = softcap_missing, .numbers = {{"factor", fit.factor}}}},
                          .scores = fit.factor * m.head.products};
}

// ---- Heads ------------------------------------------------------------------------

namespace {

Matrix<double> capped(const ExaminedAttention& a, Matrix<double> scores) {
  if (const double c = a.scoring.softcap; c > 0)
    scores = scores.unaryExpr([c](double s) { return c * std::tanh(s / c); });
  return scores;
}

// The scores of query head f of sequence b with the K of head g of sequence c
Matrix<double> scores_of(const MeasuredScores& m, Index b, Index f, Index c, Index g) {
  const QueriesAndKeys& inputs = m.state.varied_inputs;
  const double factor = m.state.attention.scoring.scale(m.state.attention.q.D);
  return capped(m.state.attention, factor * (inputs.Q.head(b, f) * inputs.K.head(c, g).transpose()));
}

}  // namespace

MaybeExplanation other_head(const MeasuredScores& m) {
  const ExaminedAttention& a = m.state.attention;
  const Index b = m.head.b, h = m.head.h, kv = a.kv_head(h);

  // Pairs of a query head and a K/V head, those with one change first
  struct Pair {
    Index f, c, g, changes;
  };
  std::vector<Pair> pairs;
  for (Index f = 0; f < a.q.H; ++f)
    for (Index c = 0; c < a.q.B; ++c)
      for (Index g = 0; g < a.k.H; ++g)
        if (const Index changes = (f != h) + (c != b || g != kv); changes > 0)
          pairs.push_back({f, c, g, changes});
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& x, const Pair& y) { return x.changes < y.changes; });

  for (const auto& [f, c, g, changes] : pairs) {
    const Matrix<double> scores = scores_of(m, b, f, c, g);
    const ScoreFit fit = best_fit(m, scores);
    if (!(fit.share > most_pairs)) continue;
    ScoreExplanation explanation{.scores = fit.factor * scores, .up_to_blocks = true};
    const bool as_values = f == h && c == m.head.value_batch && g == m.head.value_head;
    if (!as_values) {
      Finding finding{.kind = scores_of_head};
      if (f != h)
        finding.numbers = {{"query_head", static_cast<double>(f)},
                           {"right_query_head", static_cast<double>(h)}};
      if (g != kv)
        finding.numbers["head"] = static_cast<double>(g),
        finding.numbers["right_head"] = static_cast<double>(kv);
      if (c != b) finding.numbers["batch"] = static_cast<double>(c);
      explanation.findings.push_back(finding);
    }
    if (differs_from_1(m, fit.factor)) explanation.findings.push_back(scale_finding(fit.factor));
    return explanation;
  }
  return {};
}

MaybeExplanation exchanged_queries_and_keys(const MeasuredScores& m) {
  const ExaminedAttention& a = m.state.attention;
  if (a.q.S != a.k.S) return {};
  const Index kv = a.kv_head(m.head.h), group = a.q.H / a.k.H;
  for (Index f = kv * group; f < (kv + 1) * group; ++f) {
    const Matrix<double> scores = scores_of(m, m.head.b, f, m.head.b, kv).transpose();
    if (!(fit_scores(m.y, scores, tolerance_of(m)).share > most_pairs)) continue;
    return ScoreExplanation{.findings = {{.kind = queries_keys_exchanged}}, .scores = scores};
  }
  return {};
}

// The channels 0, 2, 4, ..., 1, 3, 5, ... of each row, or the inverse of this order: pairs of neighbours become pairs
// of halves, as rotary embeddings take them, and the other way round
Matrix<double> reordered(const Matrix<double>& x, bool to_halves) {
  Matrix<double> result = x;
  const Index D = x.cols(), even = (D + 1) / 2;
  for (Index d = 0; d < D; ++d) {
    const Index half = d % 2 == 0 ? d / 2 : even + d / 2;
    if (to_halves)
      result.col(half) = x.col(d);
    else
      result.col(d) = x.col(half);
  }
  return result;
}

// Q with Q, K with K, the mean of the query heads of a group, or channels in another order
MaybeExplanation other_operands(const MeasuredScores& m) {
  const ExaminedAttention& a = m.state.attention;
  const Index b = m.head.b, h = m.head.h, kv = a.kv_head(h), group = a.q.H / a.k.H;
  const Matrix<double> Q = m.state.varied_inputs.Q.head(b, h), K = m.state.varied_inputs.K.head(b, kv);
  Matrix<double> mean = Matrix<double>::Zero(Q.rows(), Q.cols());
  for (Index f = kv * group; f < (kv + 1) * group; ++f)
    mean += m.state.varied_inputs.Q.head(b, f) / static_cast<double>(group);
  struct Operands {
    const char* subject;
    const Matrix<double>&left, &right;
    bool possible;
  };
  const bool square = a.q.S == a.k.S;
  const Matrix<double> Q_halves = reordered(Q, true), Q_neighbours = reordered(Q, false);
  const Operands candidates[] = {
      {"q_i . q_j: Q is used for K", Q, Q, square},
      {"k_i . k_j: K is used for Q", K, K, square},
      {"k_j . (mean of q_i over the query heads of the group)", mean, K, group > 1},
      {"k_i . (mean of q_j over the query heads of the group)", K, mean, group > 1 && square},
      {"q_i . k_j with the channels of q in another order: 0, 2, ..., 1, 3, ...", Q_halves, K, true},
      {"q_i . k_j with the channels of k in another order: 0, 2, ..., 1, 3, ...", Q_neighbours, K, true}};
  for (const Operands& each : candidates) {
    if (!each.possible) continue;
    const Matrix<double> scores = capped(a, a.scoring.scale(a.q.D) * (each.left * each.right.transpose()));
    const ScoreFit fit = best_fit(m, scores);
    if (!(fit.share > most_pairs)) continue;
    ScoreExplanation explanation{.findings = {{.kind = scores_of_operands, .subject = each.subject}},
                                 .scores = fit.factor * scores};
    if (differs_from_1(m, fit.factor)) explanation.findings.push_back(scale_finding(fit.factor));
    return explanation;
  }
  return {};
}

// ---- Blocks, keys and rows --------------------------------------------------------

std::vector<Finding> blocks_of_keys(const MeasuredScores& m, const Matrix<double>& scores) {
  const Sharding& sharding = m.state.sharding;
  Finding finding{.kind = scores_of_block};
  bool measured = false;
  for (const BlockRows& block : ring_blocks(sharding)) {
    const Matrix<double> y = selected(m.y, block.rows, block.keys);
    if (known(y).size() <= 12) continue;
    double best = 0;
    Index owner = block.block;
    for (int other = 0; other < sharding.devices(); ++other) {
      const std::vector<Index>& keys = sharding.keys.rows_of(other);
      if (keys.size() != block.keys.size()) continue;
      const double share = fit_scores(y, selected(scores, block.rows, keys), tolerance_of(m)).share;
      if (share > best) best = share, owner = other;
    }
    if (best < nearly_all_pairs) return {};
    measured = true;
    if (owner != block.block)
      finding.blocks.push_back({block.device, block.block, static_cast<double>(owner)});
  }
  if (!measured || finding.blocks.empty()) return {};
  const bool own = std::all_of(finding.blocks.begin(), finding.blocks.end(), [](const BlockValue& each) {
    return each.value == static_cast<double>(each.device);
  });
  finding.subject = own ? "own" : "";
  return {finding};
}

MaybeExplanation other_block(const MeasuredScores& m) {
  if (m.state.sharding.devices() == 1) return {};
  std::vector<Finding> findings = blocks_of_keys(m, m.head.scores);
  if (findings.empty()) return {};
  return ScoreExplanation{.findings = std::move(findings), .closes_rows = true};
}

// Some keys have the scores of other keys. The keys with the right scores, if these are most, give the constant of each
// row
MaybeExplanation other_keys(const MeasuredScores& m) {
  constexpr Index fewest_rows = 6;
  const Matrix<double> error = centred(m.y - m.head.scores);
  const double limit = 4 * tolerance_of(m);
  Finding finding{.kind = scores_of_key};
  ScoreExplanation explanation{.scores = m.head.scores, .closes_rows = true};
  for (Index j = 0; j < m.y.cols(); ++j) {
    const auto agrees = [&](Index n) {
      Index rows = 0;
      for (Index i = 0; i < m.y.rows(); ++i) {
        if (std::isnan(error(i, j))) continue;
        const double difference = error(i, j) + m.head.scores(i, j) - m.head.scores(i, n);
        if (!(std::abs(difference) <= limit)) return false;
        ++rows;
      }
      return rows >= fewest_rows || n == j;
    };
    if (agrees(j)) continue;
    Index source = 0;
    while (source < m.y.cols() && !agrees(source)) ++source;
    if (source == m.y.cols()) return {};
    finding.indices["keys"].push_back(j), finding.indices["sources"].push_back(source);
    explanation.scores.col(j) = m.head.scores.col(source);
  }
  if (finding.indices.empty()) return {};
  if (m.state.sharding.devices() > 1 && !blocks_of_keys(m, m.head.scores).empty())
    return {};  // reported by blocks
  explanation.findings = {finding};
  return explanation;
}

MaybeExplanation other_key_or_row(const MeasuredScores& m) {
  const Matrix<double>& scores = m.head.scores;
  const Index Sq = scores.rows(), Skv = scores.cols();
  std::vector<Index> few, keys;
  for (Index n = 0; n < std::min<Index>(Sq, 12); ++n)
    few.push_back((2 * n + 1) * Sq / (2 * std::min<Index>(Sq, 12)));
  for (Index j = 0; j < Skv; ++j) keys.push_back(j);
  const Matrix<double> y_few = selected(m.y, few, keys);

  const auto moved = [&](Index rows_by, Index keys_by) {
    Matrix<double> result(Sq, Skv);
    for (Index i = 0; i < Sq; ++i)
      for (Index j = 0; j < Skv; ++j)
        result(i, j) = scores((i + rows_by + Sq) % Sq, (j + keys_by + Skv) % Skv);
    return result;
  };
  for (Index distance = 1; distance < Skv; ++distance)
    for (const Index by : {distance, -distance})
      for (const bool of_keys : {true, false}) {
        if (!of_keys && std::abs(by) >= Sq) continue;
        const Matrix<double> other = moved(of_keys ? 0 : by, of_keys ? by : 0);
        if (fit_scores(y_few, selected(other, few, keys), tolerance_of(m)).share <= nearly_all_pairs)
          continue;
        if (fit_scores(m.y, other, tolerance_of(m)).share <= nearly_all_pairs) continue;
        return ScoreExplanation{.findings = {{.kind = of_keys ? scores_of_key : scores_of_row,
                                              .numbers = {{"shift", static_cast<double>(by)}}}},
                                .scores = other};
      }
  return {};
}

namespace {

// The row of any query head whose scores with the right keys a row has; the row itself is tried first
std::optional<RowPlace> source_of_query(const MeasuredScores& m, const PerHead<Matrix<double>>& scores,
                                        Index row) {
  const auto fits = [&](const RowPlace& from) {
    double least = INFINITY, greatest = -INFINITY;
    for (Index j = 0; j < m.y.cols(); ++j) {
      if (std::isnan(m.y(row, j))) continue;
      const double difference = m.y(row, j) - scores(from.b, from.h)(from.row, j);
      least = std::min(least, difference), greatest = std::max(greatest, difference);
      if (greatest - least > 5 * tolerance_of(m)) return false;
    }
    return true;
  };
  const RowPlace own{m.head.b, m.head.h, row};
  if (fits(own)) return own;
  for (Index n = 0; n < m.y.rows(); ++n)
    if (fits(RowPlace{own.b, own.h, n})) return RowPlace{own.b, own.h, n};
  for (Index b = 0; b < scores.batches(); ++b)
    for (Index h = 0; h < scores.heads(); ++h)
      for (Index n = 0; n < m.y.rows(); ++n)
        if (fits(RowPlace{b, h, n})) return RowPlace{b, h, n};
  return std::nullopt;
}

}  // namespace

// Each row uses one other row of Q
MaybeExplanation rows_of_queries(const MeasuredScores& m) {
  constexpr std::size_t enough_keys = 6;
  const ExaminedAttention& a = m.state.attention;
  const QueriesAndKeys& inputs = m.state.varied_inputs;
  const Matrix<double> K = inputs.K.head(m.head.b, a.kv_head(m.head.h));
  PerHead<Matrix<double>> scores(a.q.B, a.q.H);
  for (Index b = 0; b < a.q.B; ++b)
    for (Index h = 0; h < a.q.H; ++h)
      scores(b, h) = capped(a, a.scoring.scale(a.q.D) * (inputs.Q.head(b, h) * K.transpose()));

  ScoreExplanation explanation{.scores = m.head.scores, .closes_rows = true};
  std::size_t tested = 0, explained = 0;
  for (Index i = 0; i < m.y.rows(); ++i) {
    if (known(m.y.row(i)).size() < enough_keys) continue;
    ++tested;
    const auto from = source_of_query(m, scores, i);
    if (!from) continue;
    ++explained;
    explanation.scores.row(i) = scores(from->b, from->h).row(from->row);
    const RowPlace place{m.head.b, m.head.h, i};
    if (!(*from == place)) explanation.sources.push_back({place, *from});
  }
  if (explanation.sources.empty() || 10 * explained <= 9 * tested) return {};
  return explanation;
}

}  // namespace ringattn
