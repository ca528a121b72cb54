#pragma once

#include "reference/ring/programs/forward_program.h"
#include "reference/ring/programs/shard.h"

namespace ringattn {

// Forward with Q rotating (pass-Q, Context Parallelism for Scalable Million-Token Inference, arXiv:2411.01783). K and V
// stay. At each step the resident queries attend to the own keys from the neutral state (-inf, 0, 0); at step 0, on the
// device that owns them, from (sink, 1, 0) in a head with an attention sink. The resulting (m, l, O) is merged with the
// one that arrives from the previous device,
//
//   m = max(m1, m2)   l = exp(m1 - m) l1 + exp(m2 - m) l2   O = exp(m1 - m) O1 + exp(m2 - m) O2
//
// and sent on, one step after the queries. After P hops it reaches the owner of the queries.
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
  SoftmaxState<T> state_;  // of the own queries, after accept_results
  ScoreTile<T> scratch_;
};

}  // namespace ringattn
