#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/python/positions.h"

namespace ringattn::python {

// One attention problem with the arrays that Python passed. It keeps them alive; the engine reads arrays of its
// arithmetic type in place.
struct ProblemArrays {
  Axes axes = Axes::bshd;
  Operand Q, K, V;
  bool eight_bits = false;  // q, k and v have 8 bits
  RowPositions q_positions, kv_positions;
  Scoring scoring;
  PairOperand<double> bias;
  PairOperand<bool> mask, keep;
  double dropout_p = 0;
  PaddedRows padding;                         // of rows within the sequences
  bool packed = false;                        // the arrays lack B: documents in one sequence, (T, H, D)
  Index stored_queries = 0, stored_keys = 0;  // with the rows after the last document, which are left out

  // Whether rows after the last document are left out
  bool padded() const { return stored_queries != Q.shape().S || stored_keys != K.shape().S; }
  Problem<double> problem() const {
    Problem<double> problem = without_numbers();
    problem.Q = Q.view(), problem.K = K.view(), problem.V = V.view();
    return problem;
  }
  // With the shapes of q, k and v only
  Problem<double> without_numbers() const {
    return {{nullptr, Q.shape(), {}},
            {nullptr, K.shape(), {}},
            {nullptr, V.shape(), {}},
            q_positions,
            kv_positions,
            scoring,
            bias.view(),
            mask.view(),
            {keep.view(), dropout_p}};
  }
};

// The gradients of the loss with respect to out and lse. Their shapes are checked by the functions that use them.
struct CotangentOperands {
  Operand dout, dlse;

  // Each may be None. Throws BadInput if there is a dlse without a dout, or a number that is not finite
  CotangentOperands(nb::handle dout, nb::handle dlse, const ProblemArrays& inputs);
  Cotangents<double> cotangents() const { return {dout.view(), dlse.view()}; }
};

// A result in the form of the arguments: out or dq with the rows of queries, dk or dv with those of keys. Rows
// after the last document are 0, or -inf in lse
enum class RowsOf { queries, keys };
template <class T>
nb::object result_to_numpy(Tensor<T> result, const ProblemArrays& inputs, RowsOf rows = RowsOf::queries);
template <class T>
nb::object lse_to_numpy(Tensor<T> lse, const ProblemArrays& inputs);

// Each adds the functions and classes of one source file to the module
void bind_case(nb::module_& m);
void bind_attention(nb::module_& m);
void bind_ring(nb::module_& m);
void bind_check(nb::module_& m);
void bind_examine(nb::module_& m);
void bind_catalogue(nb::module_& m);
void bind_make_mistake(nb::module_& m);
void bind_sharding(nb::module_& m);
void bind_circular_memory(nb::module_& m);
void bind_plan(nb::module_& m);

}  // namespace ringattn::python
