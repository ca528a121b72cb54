#pragma once

#include "reference/definition/row_positions.h"
#include "reference/oracle/verdict/boxes.h"

namespace ringattn {

// The location of the wrong rows of a result, in the user's coordinates. Lists are ascending.
struct Where {
  std::vector<Index> batches, heads;    // that contain a wrong row
  std::vector<RowRange> rows;           // wrong in at least one sequence and head, as contiguous ranges
  std::vector<int> devices;             // that own a wrong row
  std::vector<std::int64_t> documents;  // that contain a wrong row
  std::vector<Index> channels;          // that contain a wrong element; empty: all
  std::vector<Box> boxes;               // of exactly the wrong rows

  ElementIndex first;  // the first wrong row: lowest s, then b, then h
  int device = 0;      // its owner
  Index place = 0;     // its index among the rows of its owner

  Index wrong_rows = 0, all_rows = 0;  // summed over sequences and heads
};

// _rows_ are the global rows of _tensor_verdict_, in that order; _sharding_ is that of the queries or of the keys. A
// row is wrong if its error is larger than that of a note (4 tolerances), or than 1 tolerance if the verdict is only a
// note.
Where locate(const TensorVerdict& tensor_verdict, const std::vector<Index>& rows, const RowSharding& sharding,
             const RowPositions& positions);

}  // namespace ringattn
