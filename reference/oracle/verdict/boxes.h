#pragma once

#include <string>
#include <vector>

#include "reference/oracle/verdict/tensor_verdict.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// A box of rows: each row of _rows_, in each head of _heads_, of each sequence of _batches_. Lists are ascending.
struct Box {
  std::vector<Index> batches, heads, rows;
};

// Disjoint boxes that contain exactly the places _rows_ (d is ignored): heads with the same rows share a box, and
// sequences with the same heads
std::vector<Box> boxes_of(const std::vector<ElementIndex>& rows);

// The tensor that boxes are a part of, for their description
struct BoxSpace {
  Index batches = 1, heads = 1;
  std::vector<Index> rows;                // the judged rows of the sequence, ascending
  const RowSharding* sharding = nullptr;  // of these rows
  bool of_keys = false;                   // dk and dv: rows are keys, heads are K/V heads
};

// Contiguous ranges of ascending numbers
std::vector<RowRange> ranges_of(const std::vector<Index>& ascending);

// "8..15", "7"
std::string range_text(const RowRange& range);

// "0..3 5 7..9"; a long list is cut and ends with " ..."
std::string ranges_text(const std::vector<Index>& ascending);

// "device", "devices"
std::string plural(const std::string& noun, std::size_t count);

// "channels 12..15", "device 2"
std::string numbered_text(const std::string& noun, const std::vector<Index>& ascending);

// "rows 8..15", "all rows", "the rows of device 2", "the rows i with i mod 64 in 48..63": exactly these rows
std::string rows_text(const std::vector<Index>& rows, const BoxSpace& space);

// "rows 8..15 of head 2 of sequence 1"
std::string text_of(const Box& box, const BoxSpace& space);
std::string text_of(const std::vector<Box>& boxes, const BoxSpace& space);

}  // namespace ringattn
