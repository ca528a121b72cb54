#pragma once

#include <algorithm>
#include <limits>

#include "reference/definition/error/comparison.h"
#include "reference/definition/error/magnitude.h"

namespace ringattn {

// The relative error of compare(); NaN counts as infinite
template <class T>
double relative_error(const Tensor<T>& found, const Tensor<double>& truth, const Tensor<double>& magnitude) {
  const double error = compare(found.view(), truth, magnitude).relative_error;
  return error >= 0 ? error : std::numeric_limits<double>::infinity();
}

// The larger error of out and lse
template <class T>
double error_of(const AttentionOutput<T>& found, const AttentionOutput<double>& truth,
                const AttentionOutput<double>& magnitude) {
  return std::max(relative_error(found.out, truth.out, magnitude.out),
                  relative_error(found.lse, truth.lse, magnitude.lse));
}

// The largest error of dq, dk, dv and dsinks
template <class T>
double error_of(const Gradients<T>& found, const Gradients<double>& truth,
                const Gradients<double>& magnitude) {
  return std::max({relative_error(found.dq, truth.dq, magnitude.dq),
                   relative_error(found.dk, truth.dk, magnitude.dk),
                   relative_error(found.dv, truth.dv, magnitude.dv),
                   relative_error(found.dsinks, truth.dsinks, magnitude.dsinks)});
}

// Whether all elements are equal, including infinities; NaN differs from everything
template <class T>
bool identical(const Tensor<T>& a, const Tensor<T>& b) {
  if (!(a.shape() == b.shape())) return false;
  const Shape& shape = a.shape();
  for (Index n = 0; n < shape.B; ++n)
    for (Index h = 0; h < shape.H; ++h)
      for (Index s = 0; s < shape.S; ++s)
        for (Index d = 0; d < shape.D; ++d)
          if (!(a(n, s, h, d) == b(n, s, h, d))) return false;
  return true;
}

template <class T>
bool identical(const AttentionOutput<T>& a, const AttentionOutput<T>& b) {
  return identical(a.out, b.out) && identical(a.lse, b.lse);
}

template <class T>
bool identical(const Gradients<T>& a, const Gradients<T>& b) {
  return identical(a.dq, b.dq) && identical(a.dk, b.dk) && identical(a.dv, b.dv) &&
         identical(a.dsinks, b.dsinks);
}

}  // namespace ringattn
