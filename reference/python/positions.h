#pragma once

#include <optional>
#include <string>

#include "reference/python/arrays.h"

namespace ringattn::python {

// Where rows stand, as the keywords of Python say it.
struct PositionArguments {
  std::optional<CausalAlign> causal_align;
  std::optional<Integers> q_positions, kv_positions;      // (S) or (B, S)
  std::optional<Integers> q_segment_ids, kv_segment_ids;  // likewise
  std::optional<Integers> cu_seqlens_q, cu_seqlens_k;     // (documents + 1)
};

// "bottom-right" or "top-left"; throws BadInput where it is neither
CausalAlign parse_causal_align(const std::string& align);

struct QueryKeyPositions {
  RowPositions q, kv;
};

// The tokens of B sequences of Sq queries and Skv keys. Throws BadInput where the keywords contradict one
// another, or where a mask by position needs an alignment that nobody chose.
QueryKeyPositions make_positions(const PositionArguments& arguments, Index B, Index Sq, Index Skv, bool masked);

}  // namespace ringattn::python
