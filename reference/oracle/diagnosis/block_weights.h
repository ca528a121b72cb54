#pragma once

#include "reference/oracle/error_bound/error_bound.h"
#include "reference/oracle/verdict/tensor_verdict.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// The weight of each K/V block in the output. A row of attention is a sum over the blocks B of the ring,
//   out_i = sum_B c_B a_B,   a_B = sum_{j in B} P_ij V_j,   and every c_B is 1 in a correct result.
// If a row has more elements than the ring has blocks, least squares recover the c_B of any output: 0 for a block that
// was lost, 2 for one that was counted twice. The catalogue is not needed.
//
// The weights are those of the wrong rows of a device, or of all its rows if none is wrong. A row is explained if its
// own c_B leave a residual of at most 2 tolerances (rms). If the blocks that the row sees do not explain it, blocks
// that the mask hides from it are tried too, with P_ij = exp(S_ij - lse_i).
struct BlockWeights {
  Matrix<double> weight;     // (devices, blocks) median c over the rows of a device; NaN: not determined
  Matrix<double> deviation;  // (devices, blocks) median of |c - weight|
  Matrix<bool> leaked;  // (devices, blocks) a weight of a block that the mask hides from the whole device
  double residual = 0;  // median over rows of the rms of out - sum_B c_B a_B, in tolerances
  Index blocks_together = 1;  // consecutive owners merged into one block, if rows are too short for all

  Index wrong_rows = 0, explained_rows = 0;  // measured wrong rows of all heads, and those that are explained
  std::vector<Index> unexplained_heads;      // heads with a wrong row that is not explained, ascending
};

// _found_ and _bounded_ hold the query rows _rows_, in that order: (B, rows, Hq, Dv). A row is wrong if the error of an
// element is larger than _largest_right_ tolerances.
BlockWeights estimate_block_weights(const Problem<double>& problem, const Sharding& sharding,
                                    const std::vector<Index>& rows, const TensorView<const double>& found,
                                    const BoundedAttention& bounded, double largest_right = largest_note);

}  // namespace ringattn
