#include "reference/oracle/measured/group_factors.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

namespace ringattn {

namespace {

constexpr double noise = 0.5;         // rms error of a right row in tolerances, and more
constexpr double least_gap = 16;      // quotient of the two smallest eigenvalues
constexpr double equations_each = 3;  // equations for each unknown
constexpr double least_mass = 1e-3;   // largest share of a group in a row; less is not seen

// The equations of all rows, (rows x channels, groups), in tolerances
Matrix<double> equations_of(const std::vector<GroupSums>& rows, const std::vector<Index>& groups,
                            const std::vector<Index>& channels) {
  const auto width = static_cast<Index>(channels.size());
  Matrix<double> A(static_cast<Index>(rows.size()) * width, static_cast<Index>(groups.size()));
  for (std::size_t n = 0; n < rows.size(); ++n)
    for (Index c = 0; c < width; ++c)
      for (Index g = 0; g < A.cols(); ++g) {
        const Index group = groups[static_cast<std::size_t>(g)], d = channels[static_cast<std::size_t>(c)];
        const GroupSums& row = rows[n];
        A(static_cast<Index>(n) * width + c, g) =
            (row.value(group, d) - row.weight(group) * row.out(d)) / row.tolerance;
      }
  return A;
}

// The value that most of the numbers other than 0 have, to within 5 %; 0 if there is none
double most_common(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  std::ptrdiff_t most = 0, others = 0;
  double best = 0;
  for (const double value : values) {
    if (std::abs(value) <= 0.02 * largest) continue;
    ++others;
    const auto near = std::count_if(values.begin(), values.end(), [value](double other) {
      return std::abs(other - value) <= 0.05 * std::abs(value);
    });
    if (near > most) most = near, best = value;
  }
  return 2 * most > others ? best : 0;
}

}  // namespace

Vector<double> row_with_factors(const GroupSums& row, const Vector<double>& f) {
  return row.value.transpose() * f / row.weight.dot(f);
}

std::optional<GroupFactors> fit_group_factors(const std::vector<GroupSums>& rows,
                                              const std::vector<char>& visible,
                                              const std::vector<Index>& channels) {
  // Groups that some row sees, in units of their share
  const auto all = static_cast<Index>(visible.size());
  Vector<double> square = Vector<double>::Zero(all), largest = square;
  for (const GroupSums& row : rows) {
    square += row.weight.cwiseAbs2(), largest = largest.cwiseMax(row.weight);
    if (!row.out.allFinite() || !row.value.allFinite() || !(row.tolerance > 0)) return std::nullopt;
  }
  std::vector<Index> groups;
  for (Index g = 0; g < all; ++g)
    if (largest(g) > least_mass) groups.push_back(g);
  const auto unknowns = static_cast<double>(groups.size()),
             equations = static_cast<double>(rows.size() * channels.size());
  if (groups.size() < 2 || equations < equations_each * unknowns) return std::nullopt;
  Vector<double> unit(static_cast<Index>(groups.size()));
  for (Index g = 0; g < unit.size(); ++g)
    unit(g) = std::sqrt(square(groups[static_cast<std::size_t>(g)]) / static_cast<double>(rows.size()));

  // The smallest eigenvector, alone and small enough
  Matrix<double> A = equations_of(rows, groups, channels);
  A.array().rowwise() /= unit.transpose().array();
  if (!A.allFinite()) return std::nullopt;
  const Eigen::SelfAdjointEigenSolver<Matrix<double>> solver(A.transpose() * A);
  const Vector<double> u = solver.eigenvectors().col(0), f = u.cwiseQuotient(unit);
  const double smallest = std::max(solver.eigenvalues()(0), 0.0), second = solver.eigenvalues()(1);
  if (!(second > least_gap * smallest)) return std::nullopt;

  // Most visible groups have the factor 1
  std::vector<double> of_visible;
  for (std::size_t n = 0; n < groups.size(); ++n)
    if (visible[static_cast<std::size_t>(groups[n])]) of_visible.push_back(f(static_cast<Index>(n)));
  const double one = most_common(of_visible);
  if (one == 0 || !(std::sqrt(smallest / equations) <= 2 * noise * std::abs(one))) return std::nullopt;
  GroupFactors result{Vector<double>::Zero(all), Vector<double>::Constant(all, INFINITY)};
  for (std::size_t n = 0; n < groups.size(); ++n) {
    const auto place = static_cast<Index>(n);
    const Index g = groups[n];
    result.f(g) = f(place) / one;
    double variance = 0;  // of the directions of the other eigenvectors
    for (Index k = 1; k < u.size(); ++k)
      variance += std::pow(solver.eigenvectors()(place, k), 2) / std::max(solver.eigenvalues()(k), 1e-300);
    result.uncertainty(g) = noise * std::sqrt(variance) / unit(place);
  }
  for (Index g = 0; g < all; ++g)
    if (std::isinf(result.uncertainty(g))) result.f(g) = visible[static_cast<std::size_t>(g)];
  return result;
}

}  // namespace ringattn
