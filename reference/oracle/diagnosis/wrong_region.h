#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reference/oracle/verdict/tensor_verdict.h"

namespace ringattn {

// The part of out and lse that holds all that is wrong: some heads, a range of rows, some channels. A mistake that is
// made in one head only is recognised by this part alone; all else is known to be right.
struct WrongRegion {
  Matrix<char> heads;          // (B, H)
  Index first = 0, last = -1;  // rows of the global sequence
  std::vector<char> channels;  // (Dv) of out

  // "heads 2..3, rows 8..15, channels 12..15"; empty if the part is the whole
  std::string describe(Index Sq) const;
};

// That of the verdicts on out and lse, whose rows are _judged_rows_. None without enough wrong elements to recognise a
// mistake by.
std::optional<WrongRegion> wrong_region(const std::vector<TensorVerdict>& verdicts,
                                        const std::vector<Index>& judged_rows);

// _simulated_ in the part, and _found_ elsewhere; both hold the rows _rows_
Tensor<double> within(const WrongRegion& part, const std::vector<Index>& rows,
                      const Tensor<double>& simulated, const Tensor<double>& found);

}  // namespace ringattn
