#pragma once

#include <optional>
#include <vector>

#include "visualizer/model/moment.h"

namespace ringattn::viz {

// The arithmetic of one device on one block of keys and values, in all its numbers: the operands of the first sequence
// and head.
struct TileOperands {
  int device = -1, owner = -1, step = -1;  // owner of the keys
  const Span* compute = nullptr;
  double fraction = 0;               // completed share of the arithmetic
  std::vector<Index> queries, keys;  // global rows
  Matrix<double> Q, K, V;            // (queries, D), (keys, D), (keys, Dv)
  double scale = 1;
};

// The last block that the device began to use until now, in the shown pass. Empty: none yet, or the inputs of the run
// are unknown, or Q rotates
std::optional<TileOperands> tile_operands(const Recording& recording, const Moment& moment, int device);

// The forward pass of a tile: what the row events of the device say. Row i of everything is query i.
struct ForwardTile {
  std::vector<const Event*> events;  // one for each query
  Matrix<double> S, P;               // (queries, keys); P = exp(S - m)
  Matrix<double> O_before, O_after;  // (queries, Dv)

  const RowUpdate& row(Index i) const { return *events[static_cast<std::size_t>(i)]->row; }
};

// Empty if the run has no row events for these queries, or if they do not follow from the operands, because of a fault
std::optional<ForwardTile> forward_tile(const Recording& recording, const TileOperands& operands);

// The backward pass of a tile. lse and delta come from the finished forward pass of the run.
struct BackwardTile {
  Matrix<double> dO;          // (queries, Dv)
  Vector<double> lse, delta;  // delta = rowsum(dO * O) - dlse
  Matrix<double> P, dP, dS;   // (queries, keys)
  Matrix<double> dQ, dK, dV;  // the contributions of this tile, by the engine
};

// Empty if the forward pass has no row events
std::optional<BackwardTile> backward_tile(const Recording& recording, const TileOperands& operands);

}  // namespace ringattn::viz
