#pragma once

#include <functional>

#include "reference/definition/attention.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// The largest ring that is simulated in a diagnosis: a mistake that happens on one device at one step has a variant for
// each of them, and each variant goes through the steps of all devices
constexpr int max_simulated_devices = 32;

// The devices of the ring on which mistakes are simulated: those beyond the tokens have no rows, and change no result
int simulated_devices(const Problem<double>& problem, int devices);

// One query row of the simulated ring.
struct QueryRow {
  Index b, h, i;        // sequence, query head, row of the global sequence
  int device;           // the owner of the row
  Index place;          // index of the row among the rows of its device
  RowPosition query;    // global position and document
  const double* S;      // (Skv) scores against all keys, hidden ones too, before the mask
  const bool* visible;  // (Skv) whether the mask leaves the key visible
};

// The result of one row: out_i = sum_j weight(j) V_j. A mistake in the accumulator is the same mistake in the weights.
struct RowWeights {
  Vector<double> weight;  // (Skv), initially 0
  double lse = 0;         // initially -infinity
};

// Attention on a ring of devices in float64, one query row at a time. A mistake is a rule that computes the weights of
// a row, so it costs one product (rows, Skv) x (Skv, Dv). Scores are computed once and shared by all rules.
class Simulation {
 public:
  // Simulates only the query rows _rows_; the tensors that _problem_ views must outlive this
  Simulation(const Problem<double>& problem, Layout layout, int devices, std::vector<Index> rows);

  const Problem<double>& problem() const { return problem_; }
  const Sharding& sharding() const { return sharding_; }
  int devices() const { return sharding_.devices(); }
  const std::vector<Index>& rows() const { return rows_; }

  // Position and document of key j of sequence b
  const RowPosition& key(Index b, Index j) const {
    return problem_.kv_positions.of(b)[static_cast<std::size_t>(j)];
  }
  bool causal() const { return problem_.scoring.mask.causal; }

  // The keys in the order in which a device processes them: blocks by step, each cut into tiles of _tile_ keys (0: a
  // block is one tile), the tiles of a block from left to right or from right to left.
  std::vector<std::vector<Index>> tiles(int device, Index tile, bool right_to_left = false) const;

  // out and lse of rows(), in that order, with the weights that rule(row, weights) computes for each row from its keys;
  // an attention sink is added afterwards
  using Rule = std::function<void(const QueryRow&, RowWeights&)>;
  AttentionOutput<double> run(const Rule& rule) const;

  // out and lse of the same rows of another problem, by the definition
  AttentionOutput<double> attention_of(const Problem<double>& other) const;

 private:
  const Matrix<double>& scores(Index b, Index h) const { return scores_[index(b, h)]; }
  std::size_t index(Index b, Index h) const { return static_cast<std::size_t>(b * problem_.Q.shape.H + h); }

  Problem<double> problem_;
  Sharding sharding_;
  std::vector<Index> rows_;
  std::vector<Matrix<double>> scores_;  // for each sequence and head, (rows, Skv)
  std::vector<Matrix<bool>> visible_;   // for each sequence, (rows, Skv)
};

// The correct rule: weight(j) = exp(S(j) - lse) for visible keys, 0 for the others
void correct_weights(const QueryRow& row, RowWeights& result);

}  // namespace ringattn
