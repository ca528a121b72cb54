#pragma once

#include "reference/definition/layout.h"

namespace ringattn {

template <class T>
using RowVector = Eigen::Matrix<T, 1, Eigen::Dynamic>;

// The places of a memory; their number is fixed. A slot is empty, or holds one token, or several tokens pooled into one
// key and one value. Attention is a sum over keys, so the order of the slots does not matter.
template <class T>
struct Slots {
  static constexpr Index no_token = -1;

  Matrix<T> K;               // (slots, D)
  Matrix<T> V;               // (slots, Dv)
  Vector<T> log_tokens;      // (slots)        log of the number of tokens; -inf: the slot is empty
  Vector<double> attention;  // (slots)        sum of the attention weights of the slot so far
  Matrix<Index> tokens;      // (slots, pool)  positions of its tokens, then no_token

  // All empty. A slot holds at most _pool_ tokens
  Slots(Index slots, Index D, Index Dv, Index pool);

  bool is_empty(Index slot) const { return tokens(slot, 0) == no_token; }
  Index token_count(Index slot) const { return (tokens.row(slot).array() != no_token).count(); }

  void write(Index slot, const Eigen::Ref<const RowVector<T>>& k, const Eigen::Ref<const RowVector<T>>& v,
             Index token);
  void move(Index from, Index to);  // _from_ becomes empty
  void clear(Index slot);

  Index bytes() const;
};

}  // namespace ringattn
