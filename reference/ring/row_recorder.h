#pragma once

#include "reference/blockwise/softmax_state.h"
#include "reference/trace/recorder.h"

namespace ringattn {

// The rows of which a trace keeps m, l and O before and after each block.
struct TracedRows {
  bool all = false;
  std::vector<Index> rows;  // in the global sequence
  bool scores = true;       // the scores too, a number for each key of the block

  bool none() const { return !all && rows.empty(); }
  bool contains(Index row) const;
};

// The state (m, l, O) of a block of queries, wherever it is held.
template <class T>
struct StateView {
  const Tensor<T>& m;  // (B, S, H, 1)
  const Tensor<T>& l;  // (B, S, H, 1)
  const Tensor<T>& O;  // (B, S, H, Dv)
};

// Records the traced rows of one block of queries: takes a update of their state before it changes, and emits an event
// for each of them after.
template <class T>
class RowRecorder {
 public:
  RowRecorder() = default;
  RowRecorder(const TracedRows& traced_rows, const std::vector<Index>& global_rows);

  void before(const StateView<T>& state);
  void before(const StateView<T>& state, const BlockPair<T>& pair);  // the scores of the pair, too
  void after(const StateView<T>& state, int step, int owner, Recorder& recorder);

 private:
  struct Row {
    Index local, global;
  };
  bool with_scores_ = false;
  std::vector<Row> rows_;
  std::vector<RowUpdate> updates_;
};

}  // namespace ringattn
