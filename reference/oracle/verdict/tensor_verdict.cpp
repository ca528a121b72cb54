#include "reference/oracle/verdict/tensor_verdict.h"

#include <cmath>
#include <limits>

#include "reference/definition/input/bad_input.h"
#include "reference/oracle/error_bound/distance.h"

namespace ringattn {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

void keep_larger(double& largest, ElementIndex& there, double value, const ElementIndex& place) {
  if (value > largest) largest = value, there = place;
}

// Counts one element and keeps the largest errors
void count_element(TensorVerdict& j, const ElementIndex& place, double found, double expected, double ratio) {
  ++j.elements;
  j.nan += std::isnan(found);
  j.inf += std::isinf(found) && found != expected;
  j.mismatched += ratio > largest_pass;
  if (ratio > j.ratio) j.ratio = ratio, j.worst = place, j.found = found, j.expected = expected;

  // Absolute and relative error; NaN counts as infinite
  if (found == expected) return;
  const double error = std::abs(found - expected);
  keep_larger(j.max_abs_error, j.max_abs_place, error == error ? error : infinity, place);
  keep_larger(j.max_rel_error, j.max_rel_place, error == error ? error / std::abs(expected) : infinity,
              place);
}

}  // namespace

const char* name(Status status) {
  switch (status) {
    case Status::pass:
      return "pass";
    case Status::note:
      return "note";
    case Status::fail:
      break;
  }
  return "fail";
}

TensorVerdict judge_tensor(const std::string& tensor, const TensorView<const double>& found,
                           const Tensor<double>& truth, const Tensor<double>& tolerance, double note_limit) {
  const Shape& shape = truth.shape();
  require(found.shape == shape, "[check] ", tensor,
          " must have the shape (batch, sequence, heads, head_dim) = ", shape, "; found ", found.shape,
          "; state the order of its axes with --axes");

  // Every element, row by row
  TensorVerdict j;
  j.tensor = tensor;
  j.note_limit = note_limit;
  j.row_ratio = row_tensor<double>(shape.B, shape.S, shape.H);
  j.channel_ratio = Vector<double>::Zero(shape.D);
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h) {
        double& row_ratio = j.row_ratio(b, s, h, 0);
        bool all_zero = true;
        for (Index d = 0; d < shape.D; ++d) {
          const double x = found(b, s, h, d), expected = truth(b, s, h, d);
          const double ratio = error_in_tolerances(x, expected, tolerance(b, s, h, d));
          count_element(j, {b, s, h, d}, x, expected, ratio);
          row_ratio = std::max(row_ratio, ratio), j.channel_ratio(d) = std::max(j.channel_ratio(d), ratio);
          all_zero &= x == 0;
        }
        j.zero_rows += all_zero && row_ratio > note_limit;
      }

  j.status = j.ratio <= largest_pass ? Status::pass : j.ratio <= note_limit ? Status::note : Status::fail;
  return j;
}

}  // namespace ringattn
