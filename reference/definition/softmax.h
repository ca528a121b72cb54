#pragma once

#include "reference/definition/tensor.h"

namespace ringattn {

// Replaces each row of S by its softmax and returns the logarithms of the normalisers, lse (Sq). A row of -inf becomes 0.
template <class T>
Vector<T> softmax_rows(Matrix<T>& S);

}  // namespace ringattn
