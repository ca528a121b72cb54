#pragma once

#include "reference/oracle/examine/examination.h"

namespace ringattn {

// The backward pass of one query head of one sequence, pair by pair. All matrices are (Sq, Skv).
//
//   dV = P^T dO     dP = dO V^T     dS = P * (dP - delta)     dQ = scale dS K     dK = scale dS^T Q
//
// With a one-hot dO, dV consists of elements of P. Scores use a part of the channels of Q and K only: in the others K
// (or Q) is one-hot and the other operand 0, so dQ (or dK) consists of elements of dS, and the scores do not change.
struct HeadGradients {
  Index b = 0, h = 0;

  Matrix<double> P, dS_of_q, dS_of_k;          // found in dV, dQ and dK
  Matrix<double> right_P, right_dS, right_dP;  // of the forward: if that is wrong, of the measured one
  Matrix<double> bend;                         // derivative of the soft-cap
  Matrix<double> scores;                       // before the mask
  Vector<double> right_delta, right_lse;       // (Sq)

  Matrix<double> allowed_P, allowed_dS;  // largest errors that rounding explains
};

struct GradientReadout {
  QueriesAndKeys inputs;
  Tensor<double> V, dout;
  Index score_channels = 0;  // of Q and K that the scores use; if these are all, dS is not read
  double tolerance = 0;      // of ln of an element of P
  PerHead<HeadGradients> heads;
  Gradients<double> right, found;  // of ordinary numbers V and dout

  bool reads_dS(const ExaminedAttention& a) const {
    return score_channels < a.q.D && a.scoring.scale(a.q.D) != 0;
  }
};

// The inputs and what is right; calls the forward if that has findings
GradientReadout prepare_gradients(ExaminationState& state);

// Reads P and dS from the backward pass
void read_gradients(ExaminationState& state, GradientReadout& readout);

// What explains a deviation of one head, as findings; each is about the tensor _tensor_: "dv", "dq" or "dk"
std::vector<Finding> probability_findings(const ExaminationState& state, const GradientReadout& readout,
                                          const HeadGradients& head);
std::vector<Finding> score_gradient_findings(const ExaminationState& state, const GradientReadout& readout,
                                             const HeadGradients& head, const Matrix<double>& found);

}  // namespace ringattn
