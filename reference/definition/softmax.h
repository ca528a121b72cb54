#pragma once

#include "reference/definition/minus_infinity.h"
#include "reference/definition/tensor.h"

namespace ringattn {

// Replaces each row of S by its softmax and returns the logarithms of the normalisers, lse (Sq). _sink_ is the score of
// an extra term of each sum, which gets no place in the row; -inf: none. A row of -inf becomes 0.
template <class T>
Vector<T> softmax_rows(Matrix<T>& S, T sink = minus_infinity<T>);

}  // namespace ringattn
