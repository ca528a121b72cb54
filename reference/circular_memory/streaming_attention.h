#pragma once

#include "reference/circular_memory/circular_memory.h"
#include "reference/definition/problem.h"

namespace ringattn {

// Causal attention over a stream of tokens, in constant memory, for one K/V head and the query heads that share it. It
// is approximate once a token has left the slots that hold one token each.
template <class T>
class StreamingAttention {
 public:
  // Throws BadInput if the options are not valid
  StreamingAttention(const MemoryOptions& options, const Scoring& scoring, Index D, Index Dv);

  // Appends a chunk of tokens, K (tokens, D) and V (tokens, Dv), one at a time. After each, its queries attend to the
  // memory, which holds the token itself: Q (tokens x heads, D), the heads of a token in adjacent rows,
  // -> out (tokens x heads, Dv). The division of a stream into chunks does not change a bit of it.
  // Throws BadInput if the shapes disagree.
  Matrix<T> stream(const Eigen::Ref<const Matrix<T>>& Q, const Eigen::Ref<const Matrix<T>>& K,
                   const Eigen::Ref<const Matrix<T>>& V);

  // Attention of other queries to the memory as it is, (rows, D) -> (rows, Dv)
  Matrix<T> attend(const Eigen::Ref<const Matrix<T>>& Q) const { return output(Q, weights(Q)); }

  const CircularMemory<T>& memory() const { return memory_; }
  double multiply_adds() const { return multiply_adds_; }  // of the stream so far

 private:
  Matrix<T> weights(const Eigen::Ref<const Matrix<T>>& Q) const;
  Matrix<T> output(const Eigen::Ref<const Matrix<T>>& Q, const Matrix<T>& P) const;
  double multiply_adds_of_token(Index heads) const;

  CircularMemory<T> memory_;
  Scoring scoring_;
  double gate_;
  Index D_, Dv_;
  double multiply_adds_ = 0;
};

}  // namespace ringattn
