#pragma once

#include "reference/blockwise/block_backward.h"
#include "reference/ring/backward_program.h"
#include "reference/ring/shard.h"

namespace ringattn {

// Backward with K and V rotating. Q, dO, lse and row_term stay, and dQ grows beside them. The contribution of this
// device to (dK, dV) of a resident block follows the block one step behind, is added to those of earlier devices, and
// returns to the owner after P hops.
template <class T>
class BackwardKv : public BackwardProgram<T> {
 public:
  BackwardKv(const RingConfig& config, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents);

  Block<T> own_block() override;
  BlockPair<T> pair_with(const Block<T>& resident) const override;
  Block<T> attend(int step, const Block<T>& resident) override;
  void accept_results(Block<T> results) override;

  const std::vector<Index>& query_rows() const override { return queries_.rows; }
  const std::vector<Index>& kv_rows() const override { return kv_.rows; }
  const Gradients<T>& gradients() const override { return gradients_; }

 private:
  const RingConfig& config_;
  QueryShard<T> queries_;
  KvShard<T> kv_;
  CotangentShard<T> cotangents_;
  Gradients<T> gradients_;
  BackwardScratch<T> scratch_;
};

}  // namespace ringattn
