#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// Where a row stands in its text, and to which document it belongs. Masks see nothing else of a row.
struct RowPosition {
  std::int64_t position = 0;
  std::int64_t segment = 0;
  bool operator==(const RowPosition&) const = default;
};

// The tokens of a batch of sequences, (B, S); stored once where all sequences of the batch stand alike.
class RowPositions {
 public:
  RowPositions() = default;
  RowPositions(Index sequences, Index length)
      : length_(length), positions_(static_cast<std::size_t>(sequences * length)) {}

  Index length() const { return length_; }
  Index sequences() const { return length_ == 0 ? 1 : static_cast<Index>(positions_.size()) / length_; }

  // The tokens of sequence _b_ of the batch, (S)
  std::span<RowPosition> of(Index b) { return {positions_.data() + start(b), static_cast<std::size_t>(length_)}; }
  std::span<const RowPosition> of(Index b) const {
    return {positions_.data() + start(b), static_cast<std::size_t>(length_)};
  }

  // The tokens of the rows _rows_, in that order
  RowPositions select(const std::vector<Index>& rows) const;

  // The tokens of sequence _b_ alone
  RowPositions sequence(Index b) const;

  Index bytes() const { return static_cast<Index>(positions_.size() * sizeof(RowPosition)); }
  bool operator==(const RowPositions&) const = default;

 private:
  std::size_t start(Index b) const { return sequences() == 1 ? 0 : static_cast<std::size_t>(b * length_); }

  Index length_ = 0;
  std::vector<RowPosition> positions_;
};

// Rows 0 .. length - 1 of one document: row i stands at position i + offset.
RowPositions consecutive_positions(Index length, std::int64_t offset = 0);

enum class CausalAlign { bottom_right, top_left };

// How far the queries are shifted against the keys: bottom-right lets the last query see the last key.
constexpr std::int64_t causal_offset(CausalAlign align, Index Sq, Index Skv) {
  return align == CausalAlign::bottom_right ? Skv - Sq : 0;
}

// Packed documents: document n has the rows [cu_seqlens[n], cu_seqlens[n + 1]).
// Positions restart in each document, where queries and keys are aligned anew.
struct PackedPositions {
  RowPositions q, kv;
};
PackedPositions packed_positions(const std::vector<std::int64_t>& cu_seqlens_q,
                           const std::vector<std::int64_t>& cu_seqlens_kv, CausalAlign align, Index Sq,
                           Index Skv);

}  // namespace ringattn
