#pragma once

#include <string>

#include "reference/definition/tensor.h"

namespace ringattn {

// How a result stands to its tolerance (error_bound.h).
//   pass   the worst element is within its tolerance
//   note   up to 4 tolerances: right, with less precision than was declared
//   fail   beyond that, or something that no rounding makes
enum class Status { pass, note, fail };
inline constexpr double largest_pass = 1, largest_note = 4;

// "pass", "note", "fail"
const char* name(Status status);

// One element of a tensor, in the coordinates (batch, row, head, element) of the user.
struct ElementIndex {
  Index b = 0, s = 0, h = 0, d = 0;
};

// A result X' beside the true X: element by element |X' - X| / tolerance.
struct TensorVerdict {
  std::string tensor;  // "out", "lse", "dq", "dk", "dv"
  Status status = Status::pass;
  double ratio = 0;  // the largest quotient; infinite where only equality, or no NaN, will do
  ElementIndex worst;
  double found = 0, expected = 0;  // there

  Index elements = 0, mismatched = 0;  // the latter beyond their tolerance
  double max_abs_error = 0, max_rel_error = 0;
  ElementIndex max_abs_place, max_rel_place;

  Index nan = 0, inf = 0;  // that the truth does not have
  Index zero_rows = 0;     // rows that are 0 from end to end and should not be: never written?

  Tensor<double> row_ratio;  // (B, S, H, 1) the largest quotient of each row
};

// Shapes must agree. An infinity must be the same infinity; a NaN is never right.
TensorVerdict judge_tensor(const std::string& tensor, const TensorView<const double>& found, const Tensor<double>& truth,
                const Tensor<double>& tolerance);

}  // namespace ringattn
