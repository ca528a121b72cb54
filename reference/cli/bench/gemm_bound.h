#pragma once

#include "reference/definition/tensor.h"

namespace ringattn::cli {

// The matrix products of attention for one pair of tiles.
enum class MatrixProducts {
  forward,   // Q K^T and P V
  backward,  // Q K^T, dO V^T, P^T dO, dS K and dS^T Q
};

// Floating-point operations per second of these products alone, in float, at the largest tile shapes of blockwise
// attention, on _threads_ threads at once: an upper bound for attention, reached if softmax took no time
double gemm_rate(MatrixProducts products, Index d, int threads);

}  // namespace ringattn::cli
