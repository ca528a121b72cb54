#include "reference/oracle/examine/fit/statistics.h"

#include <algorithm>
#include <cmath>

namespace ringattn {

std::vector<double> known(const Matrix<double>& values) {
  std::vector<double> found;
  for (Index n = 0; n < values.size(); ++n)
    if (!std::isnan(values.data()[n])) found.push_back(values.data()[n]);
  return found;
}

double largest_magnitude(const Matrix<double>& values) {
  double largest = 0;
  for (const double value : known(values)) largest = std::max(largest, std::abs(value));
  return largest;
}

double largest_magnitude(const Tensor<double>& values) {
  return largest_magnitude(Eigen::Map<const Matrix<double>>(values.data(), 1, values.size()));
}

Matrix<double> centred(const Matrix<double>& values) {
  Matrix<double> result = values;
  for (Index i = 0; i < values.rows(); ++i)
    if (const double middle = median(known(values.row(i))); !std::isnan(middle))
      result.row(i).array() -= middle;
  return result;
}

double share_within(const Matrix<double>& values, double limit) {
  const std::vector<double> found = known(values);
  const auto within =
      std::count_if(found.begin(), found.end(), [&](double x) { return std::abs(x) <= limit; });
  return found.empty() ? 0 : static_cast<double>(within) / static_cast<double>(found.size());
}

}  // namespace ringattn
