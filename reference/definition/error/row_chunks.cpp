#include "reference/definition/error/row_chunks.h"

#include <algorithm>

namespace ringattn {

std::vector<RowChunk> row_chunks(const std::vector<Index>& rows, Index keys, Index largest_score_matrix,
                                 Index least_rows) {
  const Index count = static_cast<Index>(rows.size()),
              step = std::max(least_rows, largest_score_matrix / std::max<Index>(1, keys));
  std::vector<RowChunk> chunks;
  for (Index begin = 0; begin < count; begin += step)
    chunks.push_back({begin, {rows.begin() + begin, rows.begin() + std::min(begin + step, count)}});
  return chunks;
}

}  // namespace ringattn
