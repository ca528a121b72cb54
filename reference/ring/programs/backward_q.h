#pragma once

#include "reference/blockwise/block_backward.h"
#include "reference/ring/programs/backward_program.h"
#include "reference/ring/programs/shard.h"

namespace ringattn {

// Backward with Q rotating, and dO, lse and row_term of the same rows with it. K and V stay, and dK and dV are summed
// on this device (equations in backward_kv.h). The contribution to dQ is added to those of earlier devices and sent on,
// one step after Q. After P hops the sum reaches the owner of Q.
template <class T>
class BackwardQ : public BackwardProgram<T> {
 public:
  BackwardQ(const RingConfig& config, QueryShard<T> queries, KvShard<T> kv, CotangentShard<T> cotangents);

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
