#pragma once

#include <optional>
#include <vector>

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// The softmax state (m, l, O) of one row over some blocks of keys (first sequence and head).
struct PartialState {
  std::vector<int> owners;     // of the blocks
  std::vector<double> shares;  // of each block in l
  double m = 0, l = 0;
  std::vector<double> O;
};

// A merge of two earlier states, and the factors by which they are rescaled.
struct Merge {
  std::size_t left = 0, right = 0;
  double alpha = 1, beta = 1;  // exp(m - m') of the left and of the right state
};

// One state for each block, in the order in which the row meets the blocks, and the states that their merges give. The
// engine computed all of them, in the arithmetic type of the run.
struct MergeTree {
  std::vector<PartialState> states;  // of single blocks, then of the merges in order
  std::vector<Merge> merges;
  std::vector<double> output;  // O / l of the last state

  std::size_t leaves() const { return states.size() - merges.size(); }
};

enum class MergeOrder {
  chain,  // one block after the other, as the ring does
  tree    // neighbours, then neighbouring pairs, and so on
};

// Empty if the inputs of the run are unknown, or the row is not one of the run
std::optional<MergeTree> merge_tree(const Recording& recording, Index row, MergeOrder order);

// The outputs of all trees that merge the states of a row.
struct MergeOutputs {
  std::vector<std::vector<double>> outputs;  // one for each tree
  std::vector<double> exact;                 // full attention in float64
  std::vector<double> spacing;               // between neighbouring numbers of the type, at the exact output
  std::vector<double> mean;                  // of the outputs of the blocks, which ignores l

  // The largest difference between two trees, in spacings
  double largest_difference() const;
};

// n blocks have 1 x 3 x 5 x ... x (2 n - 3) trees: 15 for four
constexpr int max_blocks_of_all_trees = 5;

// Empty if merge_tree() is, or if there are too many blocks
std::optional<MergeOutputs> all_merge_orders(const Recording& recording, Index row);

}  // namespace ringattn::viz
