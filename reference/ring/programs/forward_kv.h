#pragma once

#include "reference/ring/programs/forward_program.h"
#include "reference/ring/programs/shard.h"

namespace ringattn {

// Forward with K and V rotating (Ring Attention, arXiv:2310.01889, Algorithm 1). Q and the softmax state (m, l, O) of
// its rows stay. The state absorbs each block of keys and values while the block is resident:
//
//   m' = max(m, rowmax(S))   l' = exp(m - m') l + rowsum(exp(S - m'))   O' = exp(m - m') O + exp(S - m') V
//
// It begins as the neutral state (-inf, 0, 0), or as (sink, 1, 0) in a head with an attention sink. No results travel.
template <class T>
class ForwardKv : public ForwardProgram<T> {
 public:
  ForwardKv(const RingConfig& config, QueryShard<T> queries, KvShard<T> kv);

  Block<T> own_block() override;
  BlockPair<T> pair_with(const Block<T>& resident) const override;
  Block<T> attend(int step, const Block<T>& resident) override;

  const std::vector<Index>& rows() const override { return queries_.rows; }
  const SoftmaxState<T>& state() const override { return state_; }

 protected:
  const RingConfig& config_;
  QueryShard<T> queries_;
  KvShard<T> kv_;
  SoftmaxState<T> state_;  // of the own queries
  ScoreTile<T> scratch_;
};

}  // namespace ringattn
