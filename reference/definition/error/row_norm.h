#pragma once

#include <algorithm>

#include "reference/definition/tensor.h"

namespace ringattn {

// The largest Euclidean norm of a row (b, s, h); its squares neither overflow nor vanish
template <class T>
double largest_row_norm(const TensorView<const T>& tensor) {
  double largest = 0;
  for (Index b = 0; b < tensor.shape.B; ++b)
    for (Index h = 0; h < tensor.shape.H; ++h)
      for (Index s = 0; s < tensor.shape.S; ++s)
        largest = std::max(largest, tensor.head(b, h).row(s).template cast<double>().stableNorm());
  return largest;
}

}  // namespace ringattn
