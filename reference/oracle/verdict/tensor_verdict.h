#pragma once

#include <string>

#include "reference/definition/tensor.h"

namespace ringattn {

// The status of a result, by the largest error of its elements in tolerances (error_bound.h).
//   pass   at most 1
//   note   at most 4: correct, but less precise than declared. Less than 4 where rounding leaves few digits
//          (resolution.h)
//   fail   more, or a difference that rounding cannot cause
enum class Status { pass, note, fail };
inline constexpr double largest_pass = 1, largest_note = 4;

// "pass", "note", "fail"
const char* name(Status status);

// One element of a tensor, in the user's coordinates (batch, row, head, element).
struct ElementIndex {
  Index b = 0, s = 0, h = 0, d = 0;
};

// The comparison of a result X' with the true X: |X' - X| / tolerance of each element.
struct TensorVerdict {
  std::string tensor;  // "out", "lse", "dq", "dk", "dv", "dsinks"
  Status status = Status::pass;
  double note_limit = largest_note;  // the largest ratio that is a note
  double ratio = 0;  // the largest quotient; infinite for a NaN, or for any difference if the tolerance is 0
  ElementIndex worst;              // the element with this quotient
  double found = 0, expected = 0;  // its values

  Index elements = 0, mismatched = 0;  // mismatched: outside their tolerance
  double max_abs_error = 0, max_rel_error = 0;
  ElementIndex max_abs_place, max_rel_place;

  Index nan = 0, inf = 0;  // elements that are NaN, or infinite where the truth is not the same infinity
  Index zero_rows = 0;     // failed rows of zeros only, which were probably never written

  Tensor<double> row_ratio;      // (B, S, H, 1) the largest quotient of each row
  Vector<double> channel_ratio;  // (D) the largest quotient of each channel
};

// Ratios up to _note_limit_ are notes. Throws BadInput if the shapes differ. An infinity must equal the same infinity;
// a NaN is always wrong.
TensorVerdict judge_tensor(const std::string& tensor, const TensorView<const double>& found,
                           const Tensor<double>& truth, const Tensor<double>& tolerance,
                           double note_limit = largest_note);

}  // namespace ringattn
