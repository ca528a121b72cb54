#pragma once

#include "reference/definition/row_positions.h"
#include "reference/oracle/verdict/tensor_verdict.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// Where a result is wrong, in the user's coordinates.
struct Where {
  std::vector<Index> batches, heads;  // with a wrong row, ascending
  std::vector<RowRange> rows;         // wrong in some sequence and head, ascending, in pieces without a gap
  std::vector<int> devices;           // that own one of them
  std::vector<std::int64_t> documents;

  ElementIndex first;  // the first wrong row: lowest s, then b, then h
  int device = 0;
  Index place = 0;  // of the row among those of its device

  Index wrong_rows = 0, all_rows = 0;  // counted for each sequence and head
};

// _rows_ are the global rows that _tensor_verdict_ is about, in that order; _sharding_ is that of queries or of
// keys. A row is wrong beyond 4 tolerances, or beyond 1 where none is that wrong.
Where locate(const TensorVerdict& tensor_verdict, const std::vector<Index>& rows, const RowSharding& sharding,
             const RowPositions& positions);

}  // namespace ringattn
