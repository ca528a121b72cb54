#include "visualizer/model/pictures/tile_picture.h"

#include <cmath>

#include "reference/blockwise/block_backward.h"
#include "reference/definition/minus_infinity.h"
#include "visualizer/model/pictures/update_rule.h"

namespace ringattn::viz {

namespace {

Matrix<double> rows_of(const Tensor<double>& tensor, const std::vector<Index>& rows) {
  return select_rows(tensor.view(), rows).head(0, 0);
}

const Span* last_compute(const Recording& recording, const Moment& moment, int device) {
  const Span* last = nullptr;
  for (const Span& span : recording.spans().of(device))
    if (span.begin->kind == EventKind::compute && recording.pass_of(span) == moment.pass &&
        recording.began(span, moment.clock) <= moment.t)
      last = &span;
  return last;
}

// The event of a step for each query, or for its last step if _step_ is -1. Empty if one is missing
std::vector<const Event*> row_events(const Recording& recording, const std::vector<Index>& queries,
                                     int step) {
  std::vector<const Event*> events(queries.size());
  for (const Event& event : recording.events()) {
    if (event.kind != EventKind::row || !event.row || event.row->batch != 0 || event.row->head != 0) continue;
    for (std::size_t i = 0; i < queries.size(); ++i)
      if (event.row->row == queries[i] && (step < 0 || event.step == step)) events[i] = &event;
  }
  for (const Event* event : events)
    if (!event) return {};
  return events;
}

// Whether the row follows from the operands by the rules of the online softmax: not in a faulty run
bool follows(const RowUpdate& row, Index i, const TileOperands& tile, const Recording& recording) {
  if (update_of(row, largest_number(recording.header().dtype)).rule != UpdateRule::rescaled) return false;
  const auto keys = static_cast<Index>(tile.keys.size()), Dv = tile.V.cols();
  if (static_cast<Index>(row.scores.size()) != keys || static_cast<Index>(row.O_before.size()) != Dv ||
      static_cast<Index>(row.O_after.size()) != Dv)
    return false;
  for (Index j = 0; j < keys; ++j) {
    const double score = row.scores[static_cast<std::size_t>(j)],
                 product = tile.scale * tile.Q.row(i).dot(tile.K.row(j));
    if (score != minus_infinity<double> && !(std::abs(score - product) <= 1e-5 * (1 + row.score_magnitude)))
      return false;
  }
  return true;
}

}  // namespace

std::optional<TileOperands> tile_operands(const Recording& recording, const Moment& moment, int device) {
  const Span* compute = last_compute(recording, moment, device);
  if (!compute || !recording.inputs || recording.header().queries_rotate()) return std::nullopt;
  TileOperands tile;
  tile.device = device, tile.owner = compute->begin->owner, tile.step = compute->begin->step;
  tile.compute = compute;
  const DeviceMoment& now = moment.devices[static_cast<std::size_t>(device)];
  tile.fraction = now.doing == compute ? now.fraction : 1;
  tile.queries = recording.query_rows(device), tile.keys = recording.key_rows(tile.owner);
  if (tile.queries.empty() || tile.keys.empty()) return std::nullopt;
  tile.Q = rows_of(recording.inputs->Q, tile.queries);
  tile.K = rows_of(recording.inputs->K, tile.keys);
  tile.V = rows_of(recording.inputs->V, tile.keys);
  tile.scale = recording.inputs->scoring.scale(tile.Q.cols());
  return tile;
}

std::optional<ForwardTile> forward_tile(const Recording& recording, const TileOperands& operands) {
  const auto queries = static_cast<Index>(operands.queries.size()),
             keys = static_cast<Index>(operands.keys.size()), Dv = operands.V.cols();
  ForwardTile tile;
  tile.events = row_events(recording, operands.queries, operands.step);
  if (tile.events.empty()) return std::nullopt;
  tile.S = tile.P = Matrix<double>(queries, keys);
  tile.O_before = tile.O_after = Matrix<double>(queries, Dv);
  for (Index i = 0; i < queries; ++i) {
    const RowUpdate& row = tile.row(i);
    if (!follows(row, i, operands, recording)) return std::nullopt;
    for (Index j = 0; j < keys; ++j) {
      const double score = row.scores[static_cast<std::size_t>(j)];
      tile.S(i, j) = score;
      tile.P(i, j) = score == minus_infinity<double> ? 0 : std::exp(score - row.m_after);
    }
    for (Index d = 0; d < Dv; ++d) {
      tile.O_before(i, d) = row.O_before[static_cast<std::size_t>(d)];
      tile.O_after(i, d) = row.O_after[static_cast<std::size_t>(d)];
    }
  }
  return tile;
}

std::optional<BackwardTile> backward_tile(const Recording& recording, const TileOperands& operands) {
  const OwnedProblem<double>& all = *recording.inputs;
  const std::vector<const Event*> finished = row_events(recording, operands.queries, -1);
  if (finished.empty() || all.Q.shape().H != 1 || all.K.shape().H != 1) return std::nullopt;
  const auto queries = static_cast<Index>(operands.queries.size());

  // The result of the forward pass
  Tensor<double> out({1, queries, 1, operands.V.cols()}), lse = row_tensor<double>(1, queries, 1);
  for (Index i = 0; i < queries; ++i) {
    const RowUpdate& row = *finished[static_cast<std::size_t>(i)]->row;
    for (Index d = 0; d < operands.V.cols(); ++d)
      out(0, i, 0, d) = row.l_after == 0 ? 0 : row.O_after[static_cast<std::size_t>(d)] / row.l_after;
    lse(0, i, 0, 0) = row.m_after + std::log(row.l_after);
  }
  // The engine on this pair of blocks
  const Tensor<double> Q = select_rows(all.Q.view(), operands.queries),
                       K = select_rows(all.K.view(), operands.keys),
                       V = select_rows(all.V.view(), operands.keys),
                       dO = select_rows(all.dout.view(), operands.queries);
  Tensor<double> dlse;
  if (all.dlse.size() > 0) dlse = select_rows(all.dlse.view(), operands.queries, Axes::bhsd);
  const Tensor<double> row_term = row_terms_of<double>({dO, dlse}, out, lse);
  const RowPositions q_positions = all.q_positions.select(operands.queries),
                     kv_positions = all.kv_positions.select(operands.keys);
  const BlockPair<double> pair{Q, K, V, q_positions, kv_positions, all.scoring};
  Gradients<double> gradients{Tensor<double>(Q.shape()), Tensor<double>(K.shape()),
                              Tensor<double>(V.shape())};
  BackwardScratch<double> scratch;
  attend_backward(pair, {dO, lse, row_term}, 0, 0, gradients, scratch);

  BackwardTile tile;
  tile.dO = dO.head(0, 0);
  tile.lse = lse.head(0, 0), tile.delta = -row_term.head(0, 0);
  tile.dQ = gradients.dq.head(0, 0), tile.dK = gradients.dk.head(0, 0), tile.dV = gradients.dv.head(0, 0);
  // P = exp(S - lse)   dP = dO V^T   dS = P * (dP - delta)
  tile.P = (operands.scale * operands.Q * operands.K.transpose()).colwise() - tile.lse;
  tile.P = tile.P.array().exp();
  for (Index i = 0; i < queries; ++i)
    for (Index j = 0; j < tile.P.cols(); ++j)
      if (!recording.visible(operands.queries[static_cast<std::size_t>(i)],
                             operands.keys[static_cast<std::size_t>(j)]))
        tile.P(i, j) = 0;
  tile.dP = tile.dO * operands.V.transpose();
  tile.dS = tile.P.array() * (tile.dP.colwise() - tile.delta).array();
  return tile;
}

}  // namespace ringattn::viz
