#pragma once

#include <Eigen/Core>

namespace ringattn {

// The largest of some nonnegative numbers; 0 if there are none (Eigen's maxCoeff() is undefined on an empty matrix)
template <class Numbers>
double max_or_zero(const Eigen::DenseBase<Numbers>& numbers) {
  return numbers.size() > 0 ? numbers.maxCoeff() : 0;
}

}  // namespace ringattn
