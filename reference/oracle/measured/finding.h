#pragma once

#include <map>
#include <optional>

#include "reference/oracle/measured/recorded_tensor.h"

namespace ringattn {

// What one wrong row holds instead of the truth.
struct Explanation {
  std::string kind;           // "place", "head map", "scale", ...
  std::string predicate;      // predicate of rows, "hold the values of head 1"
  std::string fix;            // may be empty
  std::string instance = {};  // what differs from row to row, "row 3 of head 1"; may be empty
  double evidence = 0;        // evidence_of_agreement() of the row
  double hypotheses = 1;      // the number of explanations among which this one was found
  bool exact = false;         // the row holds it bit for bit, so that a single row counts
};

// The explanations of the rows of a part, in that order; none: not explained
using Explanations = std::vector<std::optional<Explanation>>;

// The unexplained rows of each head, as places in the part
using RowsOfHead = std::map<HeadPlace, std::vector<std::size_t>>;
RowsOfHead unexplained_rows(const WrongPart& part, const Explanations& explanations);

// The rows of a head on which an explanation is tried before all others
inline constexpr std::size_t rows_to_screen = 12;

// At most _count_ of some rows, at even distances from the first to the last
std::vector<std::size_t> some_of(const std::vector<std::size_t>& rows, std::size_t count);

// A measured property of a wrong result: true for each row that it covers, to within rounding.
struct MeasuredFinding {
  std::string kind, tensor;
  std::vector<Box> boxes;       // the rows
  std::vector<Index> channels;  // of these rows; empty: all
  std::string sentence;         // "out: rows 8..15 of head 2 hold the values of head 1"
  std::string fix;              // may be empty
  Index rows = 0;               // the number of rows, over all sequences and heads
};

// The findings of a part from the explanations of several finders, which may explain the same rows: the explanation of
// most rows comes first, and then those of the rows that are left. An explanation is dropped where it may be chance: if
// the agreement of all its rows is not evident, and in heads where it explains less than half of the wrong rows from
// its first to its last row, or fewer than 3 rows and not all wrong ones.
std::vector<MeasuredFinding> findings_of(const RecordedTensor& tensor, const WrongPart& part,
                                         const std::vector<Explanations>& of_finders);

// "4.00", "0.5", "1.23e-05": a measured number
std::string number_text(double x);

}  // namespace ringattn
