#pragma once

#include "reference/definition/magnitude.h"

namespace ringattn {

// The definition, or the magnitude of its terms, in memory that does not grow with Sq x Skv: rows do not know
// of one another, and what they add to dk and dv is a sum, so a few query rows at a time will do.

using ForwardRule = Attended<double> (*)(const Problem<double>&);  // attention, attention_magnitude
using BackwardRule = Gradients<double> (*)(const Problem<double>&, const Attended<double>&,
                                           const Cotangents<double>&);  // attention_vjp, vjp_magnitude

// out and lse of the query rows _rows_, in that order
Attended<double> of_query_rows(ForwardRule rule, const Problem<double>& problem,
                               const std::vector<Index>& rows);

// dq of the query rows _rows_, and what these rows add to dk and dv; _forward_ belongs to these rows
Gradients<double> of_query_rows(BackwardRule rule, const Problem<double>& problem,
                                const std::vector<Index>& rows, const Attended<double>& forward,
                                const Cotangents<double>& cotangents);

// dk and dv of the keys _keys_, and what these keys add to dq; _forward_ belongs to all rows and keys
Gradients<double> of_keys(BackwardRule rule, const Problem<double>& problem, const std::vector<Index>& keys,
                          const Attended<double>& forward, const Cotangents<double>& cotangents);

// 0, 1, ..., N - 1
std::vector<Index> all_rows(Index N);

}  // namespace ringattn
