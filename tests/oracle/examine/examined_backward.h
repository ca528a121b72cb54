#pragma once

#include <map>

#include "tests/oracle/examine/examined_rule.h"

namespace ringattn {

// The backward pass of one head: its dO, and P, dP, delta and dS, which may be changed
struct HeadBackward {
  Index b, h;
  Matrix<double> dO;
  Matrix<double> P, dP, dS;
  Vector<double> delta;

  // dS of the P, dP and delta that the head has now
  void recompute_dS() { dS = P.array() * (dP.colwise() - delta).array(); }
};

// A right forward with a backward of changed heads
using ChangeBackward = std::function<void(const ExaminedRule&, const Problem<double>&, HeadBackward&)>;
void set_backward(ExaminedRule& rule, const ChangeBackward& change);

// The right backward with the lse and out of the forward, of changed operands
struct BackwardOperands {
  Tensor<double> Q, K, V, dout;
};
using ChangeOperands = std::function<void(BackwardOperands&)>;
void set_backward_of_operands(ExaminedRule& rule, const ChangeOperands& change);

// The right backward, with changed results
using ChangeGradients =
    std::function<void(const Problem<double>&, const Tensor<double>& dout, Gradients<double>&)>;
void set_gradients(ExaminedRule& rule, const ChangeGradients& change);

// Checks that all findings are of one kind; returns them by tensor
std::map<std::string, Finding> findings_by_tensor(const Examination& examination, FindingKind kind);

}  // namespace ringattn
