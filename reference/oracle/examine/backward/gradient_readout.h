#pragma once

#include "reference/oracle/examine/backward/head_receivers.h"
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
  Matrix<double> right_out;                    // (Sq, Dv)
  double scale_factor = 1;                     // of the scores of the forward

  Matrix<double> allowed_P, allowed_dS, allowed_dP;  // largest errors that rounding explains; of dP - delta
};

// What a K/V head receives from a query head that does not belong to it: elements of P in dV, of dS in dK.
struct ForeignPart {
  Index b = 0, h = 0;
  KvHead to;
  Matrix<double> found;
};

struct GradientReadout {
  QueriesAndKeys inputs;  // Q and K use the channels of the scores only
  Tensor<double> V, dout;
  Index score_channels = 0;  // of Q and K that the scores use; if these are all, dS is not read
  double tolerance = 0;      // of ln of an element of P
  double tiny = 0;           // the largest error of P near 0
  PerHead<HeadGradients> heads;
  std::vector<ForeignPart> foreign_P, foreign_dS;

  // Ordinary numbers V and dout. dQ and dK are those of a K or Q that uses all channels, which does not change the
  // scores; _allowed_ is the largest error that rounding explains
  Tensor<double> wide_Q, wide_K;
  Gradients<double> right, found, allowed;

  // The channels of dQ, dK and dV that pairs are read from
  std::vector<Index> dq_channels, dk_channels, dv_channels;

  bool reads_dS(const ExaminedAttention& a) const {
    return score_channels < a.q.D && a.scoring.scale(a.q.D) != 0;
  }
};

// The inputs and what is right; calls the forward if that has findings
GradientReadout prepare_gradients(ExaminationState& state);

// P and dS = P (dP - delta) bend with other operands, and the largest errors that rounding explains
Matrix<double> dS_of(const HeadGradients& head, const Matrix<double>& P, const Matrix<double>& dP,
                     const Vector<double>& delta);
Matrix<double> allowed_P_of(const GradientReadout& readout, const Matrix<double>& P);
Matrix<double> allowed_dS_of(const GradientReadout& readout, const HeadGradients& head,
                             const Matrix<double>& P, const Matrix<double>& dS);

// What dQ, dK and dV of ordinary numbers are if P and dS of the heads are the right ones, and their largest errors
struct OrdinaryGradients {
  Gradients<double> right, allowed;
};
struct OrdinaryOperands {
  const Tensor<double>&Q, &K, &dout;
};
OrdinaryGradients ordinary_gradients(const ExaminationState& state, const PerHead<HeadGradients>& heads,
                                     const OrdinaryOperands& operands);

// The same of another dO
OrdinaryGradients gradients_of_dout(const ExaminationState& state, const GradientReadout& readout,
                                    const OrdinaryOperands& operands);

// Which tensors of the ordinary numbers are wrong: their parts of other query heads are read, too
struct WrongGradients {
  bool dk = false, dv = false;
};

// Reads P and dS from the backward pass
void read_gradients(ExaminationState& state, GradientReadout& readout, const WrongGradients& wrong);

// What explains a deviation of one head, as findings; each is about the tensor _tensor_: "dv", "dq" or "dk"
std::vector<Finding> probability_findings(const ExaminationState& state, const GradientReadout& readout,
                                          const HeadGradients& head);
std::vector<Finding> score_gradient_findings(const ExaminationState& state, const GradientReadout& readout,
                                             const HeadGradients& head, const Matrix<double>& found);

// What explains a dS that is P (dP - delta) bend with another delta or bend, or with channels missing in dP
std::optional<Finding> delta_finding(const ExaminationState& state, const GradientReadout& readout,
                                     const HeadGradients& head, const Matrix<double>& P,
                                     const Matrix<double>& dS);
std::optional<Finding> score_factor_finding(const ExaminationState& state, const GradientReadout& readout,
                                            const HeadGradients& head, const Matrix<double>& P,
                                            const Matrix<double>& dS);

// P or dS, if each device differentiates attention to its own block alone; empty: it does not
enum class PairTensor { P, dS };
std::vector<Finding> own_block_findings(const ExaminationState& state, const GradientReadout& readout,
                                        const HeadGradients& head, const Matrix<double>& found,
                                        PairTensor tensor);

// The derivative of lse: dS = P * dlse, if the implementation takes dlse
void find_gradient_of_lse(ExaminationState& state, const GradientReadout& readout);

// Parts of query heads that other K/V heads receive
void find_foreign_parts(ExaminationState& state, const GradientReadout& readout, PairTensor tensor);

// Rows of dO, or of K and V, that stand in for others. Returns the tensors that this explains
std::vector<std::string> find_operand_rows(ExaminationState& state, GradientReadout& readout);

}  // namespace ringattn
