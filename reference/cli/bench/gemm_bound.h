#pragma once

#include "reference/definition/tensor.h"

namespace ringattn::cli {

// Which matrix products attention consists of, a pair of tiles at a time.
enum class MatrixProducts {
  forward,   // Q K^T and P V
  backward,  // Q K^T, dO V^T, P^T dO, dS K and dS^T Q
};

// Floating-point operations per second of these products alone, at the largest tile shapes that blockwise
// attention uses and in float, on _threads_ threads at once: what attention could reach if softmax cost
// nothing
double gemm_rate(MatrixProducts products, Index d, int threads);

}  // namespace ringattn::cli
