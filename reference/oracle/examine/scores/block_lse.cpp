// Blocks of a ring that are merged with the lse of other rows.

#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/scores/block_features.h"
#include "reference/oracle/examine/scores/score_explanation.h"

namespace ringattn {

namespace {

// A row of the features: of a head, and its place among the rows of its device.
struct FeatureRow {
  Index b, h, i;
};

// The lse with which the blocks of a row are weighted, up to a constant: ln of the factor + their own lse
Vector<double> used_lse(const BlockFeatures& f, Index row) {
  const Vector<double> lse = f.ln_factor.row(row) + f.lse.row(row);
  return lse.array() - lse.mean();
}

// Memory (head, row) of one device that is read as (row, head), or the other way round: the row whose lse a row reads
FeatureRow exchanged(const ExaminationState& state, const FeatureRow& row, bool heads_first) {
  const auto device = static_cast<int>(state.device_of_row(row.i));
  const std::vector<Index>& rows = state.sharding.queries.rows_of(device);
  const Index H = state.attention.q.H, n = static_cast<Index>(rows.size());
  const Index place = state.sharding.queries.place_of(row.i);
  const Index address = heads_first ? place * H + row.h : row.h * n + place;
  const Index h = heads_first ? address / n : address % H, other = heads_first ? address % n : address / H;
  return {row.b, h, rows[at(other)]};
}

}  // namespace

std::optional<Finding> block_lse_of_other_rows(const ExaminationState& state,
                                               const std::vector<MeasuredScores>& heads,
                                               const BlockFeatures& f) {
  constexpr Index fewest_blocks = 3;  // the constant of a row takes one
  const ExaminedAttention& a = state.attention;
  const Index S = a.q.S, all_heads = a.q.B * a.q.H;
  if (f.lse.cols() < fewest_blocks || static_cast<Index>(heads.size()) != all_heads) return std::nullopt;
  for (const bool heads_first : {true, false}) {
    const auto follows = [&](Index row) {
      const MeasuredScores& m = heads[at(row / S)];
      const FeatureRow from = exchanged(state, {m.head.b, m.head.h, row % S}, heads_first);
      const Index source = (from.b * a.q.H + from.h) * S + from.i;
      if (source == row) return true;  // its blocks have the right weights, or are not known
      const Vector<double> lse = f.lse.row(source);
      return ((used_lse(f, row).array() - (lse.array() - lse.mean())).abs() <= 4 * state.tolerance).all();
    };
    Index row = 0;
    while (row < all_heads * S && follows(row)) ++row;
    if (row == all_heads * S)
      return Finding{.kind = FindingKind::block_lse_of_row,
                     .subject = heads_first ? "head, row" : "row, head"};
  }
  return std::nullopt;
}

}  // namespace ringattn
