#pragma once

#include "reference/blockwise/block_backward.h"
#include "reference/ring/programs/backward_program.h"
#include "reference/ring/programs/shard.h"

namespace ringattn {

// Backward with K and V rotating. Q, dO, lse and row_term stay, and dQ is summed on this device. With P = exp(S - lse),
// row_term = dlse - delta and dS = P * (dO V^T + row_term), without soft-cap:
//
//   dQ += scale dS K        dK = scale dS^T Q        dV = P^T dO
//
// The contribution to (dK, dV) of a resident block is added to those of earlier devices and sent on, one step after the
// block. After P hops the sum reaches the owner of the block.
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
