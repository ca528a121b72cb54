#pragma once

#include <string>

#include "reference/definition/attention_vjp.h"

namespace ringattn {

// What a backward pass reads, which an altered one replaces.
struct BackwardInputs {
  Problem<double> problem;  // without pair terms
  Tensor<double> dout;      // (B, Sq, Hq, Dv)
  Tensor<double> lse;       // (B, Sq, Hq, 1)
  Tensor<double> row_term;  // (B, Sq, Hq, 1) dlse - delta
  double weight = 1;        // factor of P and dS: 0 loses every pair
};

// The row term of these results and cotangents
Tensor<double> row_terms(const Tensor<double>& dout, const AttentionOutput<double>& forward,
                         const Tensor<double>& dlse);

BackwardInputs right_backward(const Problem<double>& problem, const AttentionOutput<double>& forward,
                              const Cotangents<double>& cotangents);

// P and dS of one query head (attention_vjp.cpp), (Sq, Skv), with the magnitudes of the terms of dS
struct PairGradients {
  Matrix<double> P, dS, dS_size;
};
PairGradients pair_gradients(const BackwardInputs& inputs, Index b, Index h);

// Rows of a gradient, and the sums of the magnitudes of their terms
struct GradientRows {
  Matrix<double> values, sizes;
};

// dq of one query head, or its part of dk or dv
GradientRows part_of(const std::string& gradient, const BackwardInputs& inputs, const PairGradients& pairs,
                     Index b, Index h);

}  // namespace ringattn
