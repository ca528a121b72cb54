#include "reference/ring/record/row_recorder.h"

#include <algorithm>
#include <cmath>

#include "reference/definition/minus_infinity.h"

namespace ringattn {

bool TracedRows::contains(Index row) const {
  return all || std::find(rows.begin(), rows.end(), row) != rows.end();
}

template <class T>
RowRecorder<T>::RowRecorder(const TracedRows& traced_rows, const std::vector<Index>& global_rows)
    : with_scores_(traced_rows.scores) {
  for (std::size_t local = 0; local < global_rows.size(); ++local)
    if (traced_rows.contains(global_rows[local]))
      rows_.push_back({static_cast<Index>(local), global_rows[local]});
}

namespace {

// O of one row and head, in float64
template <class T>
std::vector<double> row_of(const Tensor<T>& O, Index b, Index row, Index h) {
  std::vector<double> numbers;
  for (Index d = 0; d < O.shape().D; ++d) numbers.push_back(static_cast<double>(O(b, row, h, d)));
  return numbers;
}

// Appends the scores of a row with a block of keys, computed in float64 from the definition:
//
//   S = scale q . k, with a soft-cap cap tanh(scale q . k / cap), minus slope |q_position - kv_position| with ALiBi;
//   -inf if the mask hides the key
//
// They do not come from the tiles that the state absorbs, so that the checker compares two independent results
template <class T>
void add_scores(const BlockPair<T>& pair, Index b, Index row, Index h, RowUpdate& update) {
  const auto q = pair.Q.head(b, h).row(row);
  const auto K = pair.K.head(b, pair.kv_head(h));
  const double scale = pair.scoring.scale(q.size()), cap = pair.scoring.softcap;
  const RowPosition& query = pair.q_positions.of(b)[static_cast<std::size_t>(row)];
  for (Index j = 0; j < K.rows(); ++j) {
    double dot = 0, magnitude = 0;
    for (Index d = 0; d < q.size(); ++d) {
      const double product = static_cast<double>(q(d)) * static_cast<double>(K(j, d));
      dot += product;
      magnitude += std::abs(product);
    }
    const double score = cap > 0 ? cap * std::tanh(scale * dot / cap) : scale * dot;
    const RowPosition& key = pair.kv_positions.of(b)[static_cast<std::size_t>(j)];
    const double bias = pair.scoring.alibi_slope(h) * distance(query.position, key.position);
    update.scores.push_back(visible(query, key, pair.scoring.mask) ? score - bias : minus_infinity<double>);
    update.score_magnitude = std::max(update.score_magnitude, std::abs(scale) * magnitude + bias);
  }
}

}  // namespace

template <class T>
void RowRecorder<T>::before(const StateView<T>& state) {
  // One update for each traced row, sequence and head, in the order in which after() emits them
  updates_.clear();
  for (const Row& row : rows_)
    for (Index b = 0; b < state.O.shape().B; ++b)
      for (Index h = 0; h < state.O.shape().H; ++h) {
        RowUpdate update;
        update.batch = b, update.head = h, update.row = row.global;
        update.m_before = static_cast<double>(state.m(b, row.local, h, 0));
        update.l_before = static_cast<double>(state.l(b, row.local, h, 0));
        update.O_before = row_of(state.O, b, row.local, h);
        updates_.push_back(std::move(update));
      }
}

template <class T>
void RowRecorder<T>::before(const StateView<T>& state, const BlockPair<T>& pair) {
  before(state);
  if (!with_scores_) return;
  auto update = updates_.begin();
  for (const Row& row : rows_)
    for (Index b = 0; b < state.O.shape().B; ++b)
      for (Index h = 0; h < state.O.shape().H; ++h) add_scores(pair, b, row.local, h, *update++);
}

template <class T>
void RowRecorder<T>::after(const StateView<T>& state, int step, int owner, Recorder& recorder) {
  auto update = updates_.begin();
  for (const Row& row : rows_)
    for (Index b = 0; b < state.O.shape().B; ++b)
      for (Index h = 0; h < state.O.shape().H; ++h, ++update) {
        update->m_after = static_cast<double>(state.m(b, row.local, h, 0));
        update->l_after = static_cast<double>(state.l(b, row.local, h, 0));
        update->O_after = row_of(state.O, b, row.local, h);
        update->alpha =
            update->m_before == update->m_after ? 1 : std::exp(update->m_before - update->m_after);
        recorder.record_row(step, owner, std::make_shared<RowUpdate>(std::move(*update)));
      }
}

template class RowRecorder<float>;
template class RowRecorder<double>;

}  // namespace ringattn
