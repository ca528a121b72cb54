#pragma once

#include "reference/oracle/error_bound/error_bound.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// The weight of each K/V block in the output. A row of attention is a sum over the blocks B of the ring,
//   out_i = sum_B c_B a_B,   a_B = sum_{j in B} P_ij V_j,   and every c_B is 1 in a correct result.
// If a row has more elements than the ring has blocks, least squares recover the c_B of any output: 0 for a block that
// was lost, 2 for one that was counted twice. The catalogue is not needed.
struct BlockWeights {
  Matrix<double> weight;      // (devices, blocks) median c over the rows of a device; NaN: not determined
  Matrix<double> deviation;   // (devices, blocks) median of |c - weight|
  double residual = 0;        // median over rows of the rms of out - sum_B c_B a_B, in tolerances
  Index blocks_together = 1;  // consecutive owners merged into one block, if rows are too short for all
};

// _found_ and _bounded_ hold the query rows _rows_, in that order: (B, rows, Hq, Dv)
BlockWeights estimate_block_weights(const Problem<double>& problem, const Sharding& sharding,
                                    const std::vector<Index>& rows, const TensorView<const double>& found,
                                    const BoundedAttention& bounded);

}  // namespace ringattn
