#pragma once

#include "reference/definition/magnitude.h"

namespace ringattn {

// The definition, or the magnitude of its terms, in memory that does not grow with Sq x Skv: rows do not know
// of one another, and what they add to dk and dv is a sum, so a few query rows at a time will do.

using ForwardFunction = AttentionOutput<double> (*)(const Problem<double>&);  // attention, attention_magnitude
using BackwardFunction = Gradients<double> (*)(const Problem<double>&, const AttentionOutput<double>&,
                                           const Cotangents<double>&);  // attention_vjp, vjp_magnitude

// out and lse of the query rows _rows_, in that order
AttentionOutput<double> in_chunks_of_queries(ForwardFunction rule, const Problem<double>& problem,
                               const std::vector<Index>& rows);

// dq of the query rows _rows_, and what these rows add to dk and dv; _forward_ belongs to these rows
Gradients<double> in_chunks_of_queries(BackwardFunction rule, const Problem<double>& problem,
                                const std::vector<Index>& rows, const AttentionOutput<double>& forward,
                                const Cotangents<double>& cotangents);

// dk and dv of the keys _keys_, and what these keys add to dq; _forward_ belongs to all rows and keys
Gradients<double> in_chunks_of_keys(BackwardFunction rule, const Problem<double>& problem, const std::vector<Index>& keys,
                          const AttentionOutput<double>& forward, const Cotangents<double>& cotangents);

// 0, 1, ..., N - 1
std::vector<Index> all_rows(Index N);

}  // namespace ringattn
