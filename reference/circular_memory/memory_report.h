#pragma once

#include <string>

#include "reference/circular_memory/circular_attention.h"

namespace ringattn {

// Some rows of exact attention, in float64, with which the outputs of memories are compared.
struct ExactRows {
  std::vector<Index> rows;  // query rows, distinct and ascending
  Tensor<double> out;       // (B, rows, Hq, Dv)
  std::vector<Matrix<double>>
      P;  // of query head h of sequence b, at b Hq + h: the probabilities, (rows, Skv)

  ExactRows(const Problem<double>& problem, std::vector<Index> rows);
};

// What a memory kept, and what that cost and changed.
struct MemoryReport {
  TokenCounts tokens;        // of one head, at the end
  Index bytes = 0;           // of all heads; constant during the stream
  double multiply_adds = 0;  // of all heads and tokens
  double error = 0;          // norm(out' - out) / norm(out) over the compared rows
  double mass_kept =
      0;  // exact attention probability of the tokens that have a slot of their own; mean of the rows
  double mass_pooled = 0;  // the same for tokens in pooled slots

  // Whether every token has a slot of its own, so that only rounding separates the output from exact attention
  bool is_exact() const { return tokens.kept() == tokens.seen(); }

  // One sentence that begins with "approximate" or "exact"
  std::string sentence() const;
};

// Streams the problem through memories and compares their outputs at the exact rows
template <class T>
MemoryReport report_memory(const Problem<T>& problem, const MemoryOptions& options, const ExactRows& exact,
                           const AfterToken<T>& after_token = {});

}  // namespace ringattn
