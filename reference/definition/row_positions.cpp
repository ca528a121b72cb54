#include "reference/definition/row_positions.h"

#include <algorithm>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

RowPositions RowPositions::select(const std::vector<Index>& rows) const {
  RowPositions selected(sequences(), static_cast<Index>(rows.size()));
  for (Index b = 0; b < selected.sequences(); ++b)
    for (std::size_t i = 0; i < rows.size(); ++i)
      selected.of(b)[i] = of(b)[static_cast<std::size_t>(rows[i])];
  return selected;
}

RowPositions RowPositions::sequence(Index b) const {
  RowPositions alone(1, length_);
  std::copy_n(of(b).begin(), length_, alone.of(0).begin());
  return alone;
}

RowPositions concatenated(const std::vector<const RowPositions*>& stretches) {
  // An empty stretch has no number of sequences of its own
  Index sequences = 1, length = 0;
  for (const RowPositions* stretch : stretches) {
    sequences = std::max(sequences, stretch->sequences());
    length += stretch->length();
  }
  RowPositions whole(sequences, length);
  for (Index b = 0; b < whole.sequences(); ++b) {
    auto next = whole.of(b).begin();
    for (const RowPositions* stretch : stretches)
      next = std::copy_n(stretch->of(b).begin(), stretch->length(), next);
  }
  return whole;
}

std::size_t end_of_run(std::span<const RowPosition> positions, std::size_t begin) {
  std::size_t end = begin + 1;
  if (end == positions.size()) return end;
  const std::int64_t step = positions[end].position - positions[begin].position;
  if (step < 0) return end;
  while (end < positions.size() && positions[end].segment == positions[begin].segment &&
         positions[end].position - positions[end - 1].position == step)
    ++end;
  return end;
}

RowPositions consecutive_positions(Index length, std::int64_t offset) {
  RowPositions positions(1, length);
  std::int64_t position = offset;
  for (RowPosition& row_position : positions.of(0)) row_position.position = position++;
  return positions;
}

namespace {

void check_cu_seqlens(const char* name, const std::vector<std::int64_t>& cu, Index length) {
  require(!cu.empty() && cu.front() == 0, "[packed_positions] ", name,
          " must start with 0; insert 0 as its first entry");
  for (std::size_t n = 1; n < cu.size(); ++n)
    require(cu[n] >= cu[n - 1], "[packed_positions] ", name, " must not decrease; entry ", n, " is ", cu[n],
            " after ", cu[n - 1], "; sort it");
  require(cu.back() == length, "[packed_positions] ", name, " must end with the sequence length ", length,
          "; its last entry is ", cu.back(), "; correct the last entry");
}

// Assigns consecutive positions from _offset_ on, and the segment id _document_
void place_document(std::span<RowPosition> rows, std::int64_t offset, std::int64_t document) {
  for (RowPosition& row_position : rows) row_position = {offset++, document};
}

}  // namespace

PackedPositions packed_positions(const std::vector<std::int64_t>& cu_q,
                                 const std::vector<std::int64_t>& cu_kv, CausalAlign align, Index Sq,
                                 Index Skv) {
  check_cu_seqlens("cu_seqlens_q", cu_q, Sq);
  check_cu_seqlens("cu_seqlens_k", cu_kv, Skv);
  require(
      cu_q.size() == cu_kv.size(),
      "[packed_positions] cu_seqlens_q and cu_seqlens_k must describe the same number of documents; found ",
      cu_q.size() - 1, " and ", cu_kv.size() - 1, "; add empty documents to the shorter one");

  PackedPositions positions{RowPositions(1, Sq), RowPositions(1, Skv)};
  for (std::size_t n = 0; n + 1 < cu_q.size(); ++n) {
    const auto q_begin = static_cast<std::size_t>(cu_q[n]),
               q_length = static_cast<std::size_t>(cu_q[n + 1]) - q_begin;
    const auto kv_begin = static_cast<std::size_t>(cu_kv[n]),
               kv_length = static_cast<std::size_t>(cu_kv[n + 1]) - kv_begin;

    // Positions restart at each document; only the queries are offset
    const auto document = static_cast<std::int64_t>(n);
    place_document(positions.q.of(0).subspan(q_begin, q_length),
                   causal_offset(align, static_cast<Index>(q_length), static_cast<Index>(kv_length)),
                   document);
    place_document(positions.kv.of(0).subspan(kv_begin, kv_length), 0, document);
  }
  return positions;
}

}  // namespace ringattn
