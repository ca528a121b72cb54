#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// The position of a row in its document, and the id of that document. Masks depend on nothing else.
struct RowPosition {
  std::int64_t position = 0;
  std::int64_t segment = 0;
  bool operator==(const RowPosition&) const = default;
};

// |a - b| of two positions
inline double distance(std::int64_t a, std::int64_t b) { return std::abs(static_cast<double>(a - b)); }

// The positions of all rows of a batch, (B, S); stored once if all sequences have the same positions, (1, S).
class RowPositions {
 public:
  RowPositions() = default;
  RowPositions(Index sequences, Index length)
      : length_(length), positions_(static_cast<std::size_t>(sequences * length)) {}

  Index length() const { return length_; }
  Index sequences() const { return length_ == 0 ? 1 : static_cast<Index>(positions_.size()) / length_; }

  // The positions of sequence _b_, (S)
  std::span<RowPosition> of(Index b) {
    return {positions_.data() + start(b), static_cast<std::size_t>(length_)};
  }
  std::span<const RowPosition> of(Index b) const {
    return {positions_.data() + start(b), static_cast<std::size_t>(length_)};
  }

  // The positions of the rows _rows_ of each sequence, in that order
  RowPositions select(const std::vector<Index>& rows) const;

  // The positions of sequence _b_ as a batch of one, (1, S)
  RowPositions sequence(Index b) const;

  Index bytes() const { return static_cast<Index>(positions_.size() * sizeof(RowPosition)); }
  bool operator==(const RowPositions&) const = default;

 private:
  std::size_t start(Index b) const { return sequences() == 1 ? 0 : static_cast<std::size_t>(b * length_); }

  Index length_ = 0;
  std::vector<RowPosition> positions_;
};

// The positions of consecutive stretches of rows, as one
RowPositions concatenated(const std::vector<const RowPositions*>& stretches);

// Rows 0 .. length - 1 of one document: row i has position i + offset.
RowPositions consecutive_positions(Index length, std::int64_t offset = 0);

// A run is a stretch of rows of one document whose positions grow by equal steps. Returns the end of the run that
// starts at row _begin_, which must be a row of _positions_.
std::size_t end_of_run(std::span<const RowPosition> positions, std::size_t begin);

// How queries and keys of different lengths are aligned.
enum class CausalAlign { bottom_right, top_left };

// The offset added to the position of each query. bottom_right: the last query and the last key have the same position;
// top_left: the first query and the first key do.
constexpr std::int64_t causal_offset(CausalAlign align, Index Sq, Index Skv) {
  return align == CausalAlign::bottom_right ? Skv - Sq : 0;
}

// Several documents packed into one sequence: document n has the rows [cu_seqlens[n], cu_seqlens[n + 1]).
// Positions restart at each document, and the alignment is applied to each document separately.
struct PackedPositions {
  RowPositions q, kv;
};

// Throws BadInput unless both lists start with 0, do not decrease, end with Sq and Skv, and have the same length
PackedPositions packed_positions(const std::vector<std::int64_t>& cu_seqlens_q,
                                 const std::vector<std::int64_t>& cu_seqlens_kv, CausalAlign align, Index Sq,
                                 Index Skv);

}  // namespace ringattn
