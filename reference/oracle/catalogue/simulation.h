#pragma once

#include <functional>

#include "reference/definition/attention.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// A query of the simulated ring, as its device sees it.
struct QueryRow {
  Index b, h, i;        // sequence, query head, row of the global sequence
  int device;           // that has this row
  Index place;          // of the row among those of its device
  RowPosition query;           // global position and document
  const double* S;      // (Skv) scaled and soft-capped scores against all keys, hidden ones too
  const bool* visible;  // (Skv) which of them the mask leaves
};

// What a row reads: out is the sum of weight(j) V_j over all keys, so whatever a mistake does to the
// accumulator, it does to the weights.
struct RowWeights {
  Vector<double> weight;  // (Skv), 0 at first
  double lse = 0;         // -infinity at first
};

// Attention as a ring of devices computes it, in float64 and one query row at a time: a mistake is a rule
// for the weights of a row. Scores are computed once and serve all rules.
class Simulation {
 public:
  // Simulates the query rows _rows_ only; _problem_ must outlive this
  Simulation(const Problem<double>& problem, Layout layout, int devices, std::vector<Index> rows);

  const Problem<double>& problem() const { return problem_; }
  const Sharding& sharding() const { return sharding_; }
  int devices() const { return sharding_.devices(); }
  const std::vector<Index>& rows() const { return rows_; }
  const RowPosition& key(Index b, Index j) const { return problem_.kv_positions.of(b)[static_cast<std::size_t>(j)]; }
  bool causal() const { return problem_.scoring.mask.causal; }

  // The keys in the order in which a device meets them: blocks by step, each cut into tiles of _tile_ keys
  // (0: a block is one tile), the tiles of a block from left to right or from right to left.
  std::vector<std::vector<Index>> tiles(int device, Index tile, bool right_to_left = false) const;

  // out and lse, for the rows _rows_ in that order, where every row follows the rule
  using Rule = std::function<void(const QueryRow&, RowWeights&)>;
  AttentionOutput<double> run(const Rule& rule) const;

  // The definition on the same rows of another problem
  AttentionOutput<double> attention_of(const Problem<double>& other) const;

 private:
  const Matrix<double>& scores(Index b, Index h) const { return scores_[index(b, h)]; }
  std::size_t index(Index b, Index h) const { return static_cast<std::size_t>(b * problem_.Q.shape.H + h); }

  Problem<double> problem_;
  Sharding sharding_;
  std::vector<Index> rows_;
  std::vector<Matrix<double>> scores_;  // one for each sequence and head, (rows, Skv)
  std::vector<Matrix<bool>> visible_;   // one for each sequence, (rows, Skv)
};

// weight = exp(S - lse) of the visible keys: what is right
void correct_weights(const QueryRow& row, RowWeights& result);

}  // namespace ringattn
