#pragma once

#include "reference/oracle/examine/examined_attention.h"
#include "reference/oracle/examine/probes/prober.h"

namespace ringattn {

// The index in a std::vector of a row, key or block
inline std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// Measured weights of one query head, beside the right ones.
struct HeadWeights {
  Matrix<double> found, right;    // (Sq, Skv)
  Vector<double> lse, right_lse;  // (Sq); lse has no elements if the implementation returns none
};

// One query head of one sequence: what is right, what was measured, and what the examination has established so far.
struct HeadReadout {
  Index b = 0, h = 0;

  Matrix<bool> visible;  // (Sq, Skv)
  Matrix<bool> same_segment;
  Matrix<double> distance;  // position of the key minus that of the query
  Matrix<double> scores;    // the varied scores, before the mask
  Matrix<double> products;  // scale q.k, the same without soft-cap
  HeadWeights even, varied;
  Matrix<double> weights_by_source;  // (Sq, B * Hkv) by sequence and K/V head of the values, under low scores
  Matrix<double> weights_by_block;   // the same, of each block: (Sq, B * Hkv * devices); empty: not read
  std::vector<Index> right_source;   // (Sq) the column of _weights_by_source_ that belongs to the row
  std::vector<bool> finite;          // (Sq) ordinary numbers give finite numbers

  std::vector<bool> open;   // (Sq) no finding explains the row yet
  std::vector<bool> blind;  // (Sq) the row reads no key, and its lse says so
  Matrix<bool> judged;      // pairs that are read, in open rows, and large enough to be measured
  Matrix<double> level;     // ln of the number of times that a key counts
  Matrix<double> used;      // the scores that the weights follow
  Index value_batch = 0, value_head = 0;  // the sequence and K/V head that values come from
  double scale_factor = 1;                // of the scores
  double row_sum = 1;                     // factor of all weights
  Vector<double> extra_term;              // (Sq) of the denominator, beside the keys
  bool block_law = false;                 // weights are right within blocks, but not between them
  bool unexplained = false;

  Index rows() const { return scores.rows(); }
  Index keys() const { return scores.cols(); }
  std::vector<Index> all_rows() const;
  bool all_open() const;
  void close_rows() { open.assign(open.size(), false); }
};

// The rows for which the condition holds
template <class Condition>
std::vector<Index> rows_where(const HeadReadout& head, const Condition& condition) {
  std::vector<Index> rows;
  for (Index i = 0; i < head.rows(); ++i)
    if (condition(i)) rows.push_back(i);
  return rows;
}

}  // namespace ringattn
