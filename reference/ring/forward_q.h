#pragma once

#include "reference/ring/forward_program.h"
#include "reference/ring/shard.h"

namespace ringattn {

// Forward with Q rotating (pass-Q, Context Parallelism for Scalable Million-Token Inference, arXiv:2411.01783). K and V
// stay. The state (m, l, O) that a resident Q gathers here is merged with what Q gathered on earlier devices, follows Q
// one step behind, and returns to the owner of Q after P hops.
template <class T>
class ForwardQ : public ForwardProgram<T> {
 public:
  ForwardQ(const RingConfig& config, QueryShard<T> queries, KvShard<T> kv);

  Block<T> own_block() override;
  BlockPair<T> pair_with(const Block<T>& resident) const override;
  Block<T> attend(int step, const Block<T>& resident) override;
  void accumulate(int step, Block<T>& result, Block<T> arrived) override;
  void accept_results(Block<T> results) override;

  const std::vector<Index>& rows() const override { return queries_.rows; }
  const SoftmaxState<T>& state() const override { return state_; }

 private:
  const RingConfig& config_;
  QueryShard<T> queries_;
  KvShard<T> kv_;
  SoftmaxState<T> state_;  // of the own queries, once it has returned
  ScoreTile<T> scratch_;
};

}  // namespace ringattn
