#pragma once

#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// Some query rows of a list.
struct RowChunk {
  Index begin;  // position of the first one in the list
  std::vector<Index> rows;
};

// Cuts _rows_ into chunks of neighbours whose scores against _keys_ keys are at most _largest_score_matrix_ numbers for
// one head, but of at least _least_rows_ rows (the last chunk may have fewer).
std::vector<RowChunk> row_chunks(const std::vector<Index>& rows, Index keys, Index largest_score_matrix,
                                 Index least_rows = 1);

}  // namespace ringattn
