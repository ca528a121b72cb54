#pragma once

#include <optional>
#include <string>

#include "reference/python/arrays.h"

namespace ringattn::python {

// The keywords of Python that set the positions of rows.
struct PositionArguments {
  std::optional<CausalAlign> causal_align;
  std::optional<Integers> q_positions, kv_positions;      // (S) or (B, S)
  std::optional<Integers> q_segment_ids, kv_segment_ids;  // (S) or (B, S)
  std::optional<Integers> cu_seqlens_q, cu_seqlens_k;     // (documents + 1)
  std::optional<Integers> seqused_q, seqused_k;           // (B)
};

// "bottom-right" or "top-left"; throws BadInput for any other text
CausalAlign parse_causal_align(const std::string& align);

struct QueryKeyPositions {
  RowPositions q, kv;
  PaddedRows padding = {};
};

// The positions of B sequences of Sq queries and Skv keys; _masked_: a causal mask or a window depends on them. Throws
// BadInput if the keywords contradict one another, or if the mask needs causal_align and it is not given.
QueryKeyPositions make_positions(const PositionArguments& arguments, Index B, Index Sq, Index Skv,
                                 bool masked);

}  // namespace ringattn::python
