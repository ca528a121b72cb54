#pragma once

#include "reference/blockwise/softmax_state.h"
#include "reference/trace/recorder.h"

namespace ringattn {

// The query rows whose m, l and O a trace keeps, before and after each block.
struct TracedRows {
  bool all = false;
  std::vector<Index> rows;  // positions in the sequence
  bool scores = true;       // record their scores, too: one number for each key of the block

  bool none() const { return !all && rows.empty(); }
  bool contains(Index row) const;
};

// The state (m, l, O) of a block of queries, on a device or in a message.
template <class T>
struct StateView {
  const Tensor<T>& m;  // (B, S, H, 1)
  const Tensor<T>& l;  // (B, S, H, 1)
  const Tensor<T>& O;  // (B, S, H, Dv)
};

// Records the traced rows of one block of queries: before() copies their state, after() emits one event for each row
// and head with the state before and after the update, and alpha = exp(m_before - m_after).
template <class T>
class RowRecorder {
 public:
  RowRecorder() = default;
  RowRecorder(const TracedRows& traced_rows, const std::vector<Index>& global_rows);

  void before(const StateView<T>& state);
  void before(const StateView<T>& state, const BlockPair<T>& pair);  // with the scores of the pair
  void after(const StateView<T>& state, int step, int owner, Recorder& recorder);

 private:
  struct Row {
    Index local, global;  // position in the block, position in the sequence
  };
  bool with_scores_ = false;
  std::vector<Row> rows_;
  std::vector<RowUpdate> updates_;
};

}  // namespace ringattn
