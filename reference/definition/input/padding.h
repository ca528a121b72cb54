#pragma once

#include <string>

#include "reference/definition/problem.h"

namespace ringattn {

// Which rows of each sequence count, (B, S); the others are padding and may hold anything. Empty: all rows count.
//
// Padding is taken out of a problem before it is computed: its queries see no key, no query sees its keys, and its
// numbers are replaced. So the results of its rows are 0, and lse is -inf, or the sink of the head.
using UsedRows = Matrix<bool>;

// Of the queries and of the keys.
struct PaddedRows {
  UsedRows queries, keys;

  bool any() const { return queries.size() > 0 || keys.size() > 0; }
};

// The first seqused[b] rows of each of B sequences of S rows. Throws BadInput, in the name of _name_, unless these are
// B lengths from 0 to S
UsedRows first_rows_used(const std::string& name, const std::vector<std::int64_t>& seqused, Index B, Index S);

// Whether each of B sequences has as many queries as keys
bool equal_lengths(const PaddedRows& rows, Index B, Index Sq, Index Skv);

// The positions of the queries of B sequences, each aligned by the numbers of its queries and keys that count
RowPositions aligned_positions(CausalAlign align, const PaddedRows& rows, Index B, Index Sq, Index Skv);

// Moves the padding of the queries to a document of its own, and that of the keys to another one. Throws BadInput if
// these documents exist
void hide_padding(const PaddedRows& rows, Index B, RowPositions& q, RowPositions& kv);

// Replaces the numbers of the padding
template <class T>
void fill_padding(const UsedRows& used, T number, Tensor<T>& tensor);

// Replaces the padding of lse by the right numbers: -inf, or the sink of the head
template <class T>
void fill_padding_of_lse(const UsedRows& used, const Scoring& scoring, Tensor<T>& lse);

// How many rows are padding, in a sentence
std::string describe(const PaddedRows& rows);

}  // namespace ringattn
