#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/python/positions.h"

namespace ringattn::python {

// One problem of attention as Python hands it in: the arrays it is about stay alive, and where the types
// allow it their memory is what the engine reads.
struct ProblemArrays {
  Axes axes = Axes::bshd;
  Operand Q, K, V;
  RowPositions q_positions, kv_positions;
  Scoring scoring;
  PairOperand<double> bias;
  PairOperand<bool> mask;

  Problem<double> problem() const {
    return {Q.view(), K.view(), V.view(), q_positions, kv_positions, scoring, bias.view(), mask.view()};
  }
  bool has_pairs() const { return bias.view() || mask.view(); }
};

// The derivatives of the loss by the results; the shapes are checked where they are used.
struct CotangentOperands {
  Operand dout, dlse;

  // Gives no dout where _dout_ is empty
  CotangentOperands(const std::optional<Array>& dout, const std::optional<Array>& dlse, Axes axes);
  Cotangents<double> cotangents() const { return {dout.view(), dlse.view()}; }
};

void bind_case(nb::module_& m);
void bind_attention(nb::module_& m);
void bind_ring(nb::module_& m);
void bind_check(nb::module_& m);
void bind_catalogue(nb::module_& m);

}  // namespace ringattn::python
