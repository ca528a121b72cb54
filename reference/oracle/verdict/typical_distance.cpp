#include "reference/oracle/verdict/typical_distance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "reference/definition/attention.h"
#include "reference/definition/axis_order.h"
#include "reference/definition/error/chunked.h"
#include "reference/definition/error/row_sample.h"

namespace ringattn {

double typical_distance(const Problem<double>& problem, const TensorView<const double>& out) {
  constexpr Index sampled_rows = 16;
  constexpr std::uint64_t seed = 0;
  const std::vector<Index> rows = sample_rows(problem.Q.shape.S, sampled_rows, Layout::contiguous, 1, seed);
  const Tensor<double> truth = in_chunks_of_queries(attention<double>, problem, rows).out;
  std::vector<double> distances;
  for (Index b = 0; b < truth.shape().B; ++b)
    for (Index h = 0; h < truth.shape().H; ++h)
      for (std::size_t n = 0; n < rows.size(); ++n) {
        const auto expected = truth.head(b, h).row(static_cast<Index>(n));
        const double error = (out.head(b, h).row(rows[n]) - expected).norm(), norm = expected.norm();
        distances.push_back(error <= 0 ? 0 : std::isfinite(error / norm) ? error / norm : 1);
      }
  if (distances.empty()) return 0;
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  return *middle;
}

// In a wrong order, results are about 1 away
ChosenOrder choose_order(const std::vector<Axes>& orders,
                         const std::function<std::optional<OrderedReading>(Axes)>& read) {
  constexpr double near = 0.25, far = 1;
  const Axes first = orders.front();
  const std::optional<OrderedReading> in_first = read(first);
  double least = in_first ? std::min(in_first->distance, far) : std::numeric_limits<double>::infinity();
  Axes nearest = first;
  Shape q;
  for (std::size_t n = 1; n < orders.size() && !(least <= near); ++n) {
    const std::optional<OrderedReading> found = read(orders[n]);
    if (found && found->distance < least / 2) least = found->distance, nearest = orders[n], q = found->q;
  }
  if (nearest == first) return {first, ""};

  // An implementation that exchanges heads and rows is right in the wrong order, too
  std::ostringstream note;
  if (!in_first || q.S >= q.H) {
    note << "the tensors are read as " << axis_names(nearest)
         << ", the order in which out is nearest to attention; if it is another one, state axes";
    return {nearest, note.str()};
  }
  note << "out is nearest to attention of the tensors read as " << axis_names(nearest) << ", with " << q.H
       << " heads of " << q.S << " rows; if that is their order, state axes = " << name(nearest)
       << ", otherwise the implementation exchanges heads and rows";
  return {first, note.str()};
}

}  // namespace ringattn
