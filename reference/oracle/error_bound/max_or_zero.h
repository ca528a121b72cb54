#pragma once

#include <Eigen/Core>

namespace ringattn {

// The largest of some numbers that are not negative; 0 of none, of which Eigen's maximum reads beyond them
template <class Numbers>
double max_or_zero(const Eigen::DenseBase<Numbers>& numbers) {
  return numbers.size() > 0 ? numbers.maxCoeff() : 0;
}

}  // namespace ringattn
