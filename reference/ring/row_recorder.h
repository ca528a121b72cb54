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

// Watches the state of one block of queries: a picture before, a fact for each traced_rows row after.
template <class T>
class RowRecorder {
 public:
  RowRecorder() = default;
  RowRecorder(const TracedRows& traced_rows, const std::vector<Index>& global_rows);

  void before(const SoftmaxState<T>& state);
  void before(const SoftmaxState<T>& state, const BlockPair<T>& pair);  // that it is to attend to
  void after(const SoftmaxState<T>& state, int step, int owner, Recorder& recorder);

 private:
  struct Row {
    Index local, global;
  };
  bool with_scores_ = false;
  std::vector<Row> rows_;
  std::vector<RowFacts> snapshots_;
};

}  // namespace ringattn
