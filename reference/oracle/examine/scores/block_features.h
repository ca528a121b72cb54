#pragma once

#include <string>
#include <vector>

#include "reference/oracle/examine/finding.h"

namespace ringattn {

// The blocks of some rows: by which factor their weights depart from right, and what their scores are like. All are
// (rows, blocks); NaN: the row does not see the block.
struct BlockFeatures {
  Matrix<double> ln_factor;  // up to a constant of the row
  Matrix<double> lse, maximum, mean;
  std::vector<std::pair<std::string, Matrix<Index>>> orders;  // in which a row may visit its blocks
};

// ln_factor as a sum of one or two features, up to a constant of the row; empty: none holds within _tolerance_. The
// feature "merge" stands for four weights, in this order: of the share of what arrives and of what was there, in the
// factor of what arrives; and the same in the factor of what was there. The feature "kept maximum" is
// min(0, kept - maximum), of the maximum that is kept; the weight of the feature "threshold" is how far a block must
// exceed it to replace it.
std::vector<LawTerm> block_law(const BlockFeatures& features, double tolerance);

}  // namespace ringattn
