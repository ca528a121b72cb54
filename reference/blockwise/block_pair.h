#pragma once

#include "reference/blockwise/block_plan.h"
#include "reference/definition/problem.h"

namespace ringattn {

// The operands of attention between a block of queries and a block of keys and values, and the plan of their tiles.
// All members but the plans are references: the owners must outlive the pair.
template <class T>
struct BlockPair {
  const Tensor<T>& Q;  // (B, Sq,  Hq,  D)
  const Tensor<T>& K;  // (B, Skv, Hkv, D)
  const Tensor<T>& V;  // (B, Skv, Hkv, Dv)
  const RowPositions& q_positions;
  const RowPositions& kv_positions;
  const Scoring& scoring;
  std::vector<BlockPlan> plans = plan();  // one if all sequences have the same positions, else B

  // The plan of sequence b
  const BlockPlan& plan_of(Index b) const {
    return plans[plans.size() == 1 ? 0 : static_cast<std::size_t>(b)];
  }
  // Grouped-query attention (arXiv:2305.13245): consecutive query heads share a K/V head
  Index kv_head(Index query_head) const { return query_head / (Q.shape().H / K.shape().H); }

  // Mask class and number of visible pairs of the whole block
  BlockWork work() const { return {mask_class(), live_pairs()}; }

  // The number of visible pairs of query and key, over all sequences and query heads
  Index live_pairs() const {
    Index sum = 0;
    for (Index b = 0; b < Q.shape().B; ++b) sum += plan_of(b).live_pairs;
    return sum * Q.shape().H;
  }

  // full or skipped if all sequences agree, else partial
  MaskClass mask_class() const {
    MaskClass common = plans.front().mask_class;
    for (const BlockPlan& each : plans)
      if (each.mask_class != common) common = MaskClass::partial;
    return common;
  }

 private:
  std::vector<BlockPlan> plan() const {
    std::vector<BlockPlan> result;
    for (Index b = 0; b < std::max(q_positions.sequences(), kv_positions.sequences()); ++b)
      result.push_back(plan_block(q_positions.of(b), kv_positions.of(b), scoring.mask));
    return result;
  }
};

}  // namespace ringattn
