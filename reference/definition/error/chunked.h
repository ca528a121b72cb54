#pragma once

#include "reference/definition/error/magnitude.h"

namespace ringattn {

// The definition for long sequences. attention() needs memory in proportion to Sq x Skv. Query rows are independent of
// each other, and their contributions to dk and dv add up, so the functions below process a few query rows at a time;
// their memory is in proportion to Sq + Skv.

using ForwardFunction =
    AttentionOutput<double> (*)(const Problem<double>&);  // attention, attention_magnitude
using BackwardFunction = Gradients<double> (*)(const Problem<double>&, const AttentionOutput<double>&,
                                               const Cotangents<double>&);  // attention_vjp, vjp_magnitude

// out and lse of the query rows _rows_, in that order
AttentionOutput<double> in_chunks_of_queries(ForwardFunction function, const Problem<double>& problem,
                                             const std::vector<Index>& rows);

// dq of the query rows _rows_, and the contributions of these rows to dk, dv and dsinks.
// _forward_ holds the same rows in the same order; _cotangents_ holds all rows.
Gradients<double> in_chunks_of_queries(BackwardFunction function, const Problem<double>& problem,
                                       const std::vector<Index>& rows, const AttentionOutput<double>& forward,
                                       const Cotangents<double>& cotangents);

// dk and dv of the keys _keys_, and the contribution of these keys to dq. _forward_ is the result over all rows and
// all keys.
Gradients<double> in_chunks_of_keys(BackwardFunction function, const Problem<double>& problem,
                                    const std::vector<Index>& keys, const AttentionOutput<double>& forward,
                                    const Cotangents<double>& cotangents);

// 0, 1, ..., N - 1
std::vector<Index> all_rows(Index N);

}  // namespace ringattn
