#pragma once

#include <functional>

#include "reference/definition/attention.h"
#include "reference/oracle/spread.h"

namespace ringattn {

// A query of the simulated ring, as its device sees it.
struct Row {
  Index b, h, i;        // sequence, query head, row of the global sequence
  int device;           // that has this row
  Index place;          // of the row among those of its device
  Token token;          // global position and document
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
  const Spread& spread() const { return spread_; }
  int devices() const { return spread_.devices(); }
  const std::vector<Index>& rows() const { return rows_; }
  const Token& key(Index b, Index j) const { return problem_.kv_tokens.of(b)[static_cast<std::size_t>(j)]; }
  bool causal() const { return problem_.scoring.mask.causal; }

  // The keys in the order in which a device meets them: blocks by step, each cut into tiles of _tile_ keys
  // (0: a block is one tile), the tiles of a block from left to right or from right to left.
  std::vector<std::vector<Index>> tiles(int device, Index tile, bool right_to_left = false) const;

  // out and lse, for the rows _rows_ in that order, where every row follows the rule
  using Rule = std::function<void(const Row&, RowWeights&)>;
  Attended<double> run(const Rule& rule) const;

  // The definition on the same rows of another problem
  Attended<double> attention_of(const Problem<double>& other) const;

 private:
  const Matrix<double>& scores(Index b, Index h) const { return scores_[index(b, h)]; }
  std::size_t index(Index b, Index h) const { return static_cast<std::size_t>(b * problem_.Q.shape.H + h); }

  Problem<double> problem_;
  Spread spread_;
  std::vector<Index> rows_;
  std::vector<Matrix<double>> scores_;  // one for each sequence and head, (rows, Skv)
  std::vector<Matrix<bool>> visible_;   // one for each sequence, (rows, Skv)
};

// weight = exp(S - lse) of the visible keys: what is right
void weigh_rightly(const Row& row, RowWeights& result);

}  // namespace ringattn
