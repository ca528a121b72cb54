#include "reference/oracle/verdict/typical_distance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "reference/definition/attention.h"
#include "reference/definition/error/chunked.h"
#include "reference/definition/error/row_sample.h"
#include "reference/definition/input/axis_order.h"
#include "reference/oracle/error_bound/median.h"

namespace ringattn {

namespace {

// An error in parts of the right number; about 1 if that means nothing
double relative(double error, double size) {
  const double found = error / size;
  return error <= 0 ? 0 : std::isfinite(found) ? found : 1;
}

// |found - truth| / |truth| for each row and head; _truth_ holds the rows _rows_
std::vector<double> row_distances(const TensorView<const double>& found, const Tensor<double>& truth,
                                  const std::vector<Index>& rows) {
  std::vector<double> distances;
  for (Index b = 0; b < truth.shape().B; ++b)
    for (Index h = 0; h < truth.shape().H; ++h)
      for (std::size_t n = 0; n < rows.size(); ++n) {
        const auto expected = truth.head(b, h).row(static_cast<Index>(n));
        if (expected.isZero(0)) continue;  // no visible key, or padding
        distances.push_back(relative((found.head(b, h).row(rows[n]) - expected).norm(), expected.norm()));
      }
  return distances;
}

// The same for one number in each row, in parts of the standard deviation of the finite ones
std::vector<double> number_distances(const TensorView<const double>& found, const Tensor<double>& truth,
                                     const std::vector<Index>& rows) {
  std::vector<double> errors, finite;
  for (Index b = 0; b < truth.shape().B; ++b)
    for (Index h = 0; h < truth.shape().H; ++h)
      for (std::size_t n = 0; n < rows.size(); ++n) {
        const double expected = truth(b, static_cast<Index>(n), h, 0);
        if (!std::isfinite(expected)) continue;
        finite.push_back(expected);
        errors.push_back(std::abs(found(b, rows[n], h, 0) - expected));
      }
  const Eigen::Map<const Eigen::ArrayXd> truths(finite.data(), static_cast<Index>(finite.size()));
  const double deviation = finite.empty() ? 0 : std::sqrt((truths - truths.mean()).square().mean());
  for (double& error : errors) error = relative(error, deviation);
  return errors;
}

// 0 if there is nothing to compare
double typical(const std::vector<double>& distances) { return distances.empty() ? 0 : median(distances); }

}  // namespace

double typical_distance(const Problem<double>& problem, const Cotangents<double>& cotangents,
                        const DistinctiveResults& results) {
  const auto& [out, lse, dq] = results;
  const bool uses_dq = !out && dq && cotangents.dout.data;
  if (!out && !lse && !uses_dq) return 0;
  constexpr Index sampled_rows = 16;
  constexpr std::uint64_t seed = 0;
  const std::vector<Index> rows = sample_rows(problem.Q.shape.S, sampled_rows, Layout::contiguous, 1, seed);
  const AttentionOutput<double> truth = in_chunks_of_queries(attention<double>, problem, rows);
  if (out) return typical(row_distances(*out, truth.out, rows));
  if (!uses_dq) return typical(number_distances(*lse, truth.lse, rows));
  const Gradients<double> gradients =
      in_chunks_of_queries(attention_vjp<double>, problem, rows, truth, cotangents);
  return typical(row_distances(*dq, gradients.dq, rows));
}

// In a wrong order, results are about 1 away
ChosenOrder choose_order(const std::vector<Axes>& orders,
                         const std::function<std::optional<OrderTrial>(Axes)>& read) {
  constexpr double near = 0.25, far = 1;
  const Axes first = orders.front();
  if (orders.size() == 1) return {first, ""};
  const std::optional<OrderTrial> in_first = read(first);
  double least = in_first ? std::min(in_first->distance, far) : std::numeric_limits<double>::infinity();
  Axes nearest = first;
  Shape q;
  for (std::size_t n = 1; n < orders.size() && !(least <= near); ++n) {
    const std::optional<OrderTrial> found = read(orders[n]);
    if (found && found->distance < least / 2) least = found->distance, nearest = orders[n], q = found->q;
  }
  if (nearest == first) return {first, ""};

  // An implementation that exchanges heads and rows is right in the wrong order, too
  std::ostringstream note;
  if (!in_first || q.S >= q.H) {
    note << "the tensors are read as " << axis_names(nearest)
         << ", the order in which the result is nearest to attention; if it is another one, state axes";
    return {nearest, note.str()};
  }
  note << "the result is nearest to attention of the tensors read as " << axis_names(nearest) << ", with "
       << q.H << " heads of " << q.S << " rows; if that is their order, state axes = " << name(nearest)
       << ", otherwise the implementation exchanges heads and rows";
  return {first, note.str()};
}

}  // namespace ringattn
