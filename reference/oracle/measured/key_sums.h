#pragma once

#include "reference/oracle/measured/head_attention.h"

namespace ringattn {

// The sums over the keys of a right row.
struct KeySums {
  double m = 0, lse = 0;    // largest score of the visible keys, and lse; 0 if there are none
  double sink = 0;          // exp(sink - m), the term of the attention sink in l
  double hidden = 0;        // sum of exp(score - m) over the hidden keys
  double visible_keys = 0;  // their number
  double mean = 0;          // of the scores of all keys
  double l() const { return std::exp(lse - m); }
};

// Those of the query rows _rows_ of one head
std::vector<KeySums> key_sums(const Problem<double>& problem, const HeadPlace& head,
                              const std::vector<Index>& rows);

}  // namespace ringattn
