#pragma once

#include "reference/oracle/error_bound/error_bound.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// How much of each K/V block the output really holds. A row of attention is a sum over blocks,
//   out_i = sum_B c_B a_B    with    a_B = sum_{j in B} P_ij V_j    and every c_B = 1,
// and where a row has more elements than the ring has blocks, least squares give the c_B of any output back:
// 0 for a block that was lost, 2 for one that was counted twice. Nothing needs to be known of the mistake.
struct BlockWeights {
  // (devices, blocks) the median c over the rows of a device; NaN where no row could measure it
  Matrix<double> weight;
  Matrix<double> deviation;  // median distance from that median, likewise
  double residual = 0;  // what no weights explain: the median over rows of its root mean square in tolerances
  Index blocks_together = 1;  // neighbouring owners that count as one block, where a row is too short for all
};

// _found_ holds the query rows _rows_, in that order, of which _bounded_ is the truth
BlockWeights estimate_block_weights(const Problem<double>& problem, const Sharding& sharding,
                             const std::vector<Index>& rows, const TensorView<const double>& found,
                             const BoundedAttention& bounded);

}  // namespace ringattn
