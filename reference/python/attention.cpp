// Binds the definition, its vector-Jacobian product and the merge of partial results.

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <limits>

#include "reference/blockwise/softmax_state.h"
#include "reference/definition/error/chunked.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/minus_infinity.h"
#include "reference/files/tensors/stored_tensor.h"
#include "reference/python/interruptible.h"
#include "reference/python/problem_arrays.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

// The definition, a few query rows at a time
AttentionOutput<double> forward_of(const ProblemArrays& inputs) {
  const Problem<double> problem = inputs.problem();
  return in_chunks_of_queries(attention<double>, problem, all_rows(problem.Q.shape.S));
}

nb::object attention_of(const ProblemArrays& inputs) {
  AttentionOutput<double> result = interruptible([&] { return forward_of(inputs); });
  return nb::make_tuple(result_to_numpy(std::move(result.out), inputs),
                        lse_to_numpy(std::move(result.lse), inputs));
}

nb::object vjp_of(const ProblemArrays& inputs, nb::handle dout, nb::handle dlse) {
  const CotangentOperands operands(dout, dlse, inputs);
  Gradients<double> result = interruptible([&] {
    const Problem<double> problem = inputs.problem();
    check(problem, operands.cotangents());
    const AttentionOutput<double> forward = forward_of(inputs);
    return in_chunks_of_queries(attention_vjp<double>, problem, all_rows(problem.Q.shape.S), forward,
                                operands.cotangents());
  });
  const nb::tuple gradients = nb::make_tuple(result_to_numpy(std::move(result.dq), inputs),
                                             result_to_numpy(std::move(result.dk), inputs, RowsOf::keys),
                                             result_to_numpy(std::move(result.dv), inputs, RowsOf::keys));
  if (inputs.scoring.sinks.empty()) return gradients;
  return gradients + nb::make_tuple(heads_to_numpy(std::move(result.dsinks)));
}

// A finished result as the state of an online softmax: m = lse, l = 1, O = out. A row that attended to no key is the
// neutral state.
SoftmaxState<double> state_from_result(const TensorView<const double>& out,
                                       const TensorView<const double>& lse) {
  SoftmaxState<double> state(out.shape);
  for (Index b = 0; b < out.shape.B; ++b)
    for (Index h = 0; h < out.shape.H; ++h)
      for (Index i = 0; i < out.shape.S; ++i) {
        if (lse(b, i, h, 0) == minus_infinity<double>) continue;
        state.m(b, i, h, 0) = lse(b, i, h, 0);
        state.l(b, i, h, 0) = 1;
        state.O.head(b, h).row(i) = out.head(b, h).row(i);
      }
  return state;
}

nb::object merge(nb::handle out_a, nb::handle lse_a, nb::handle out_b, nb::handle lse_b,
                 const std::string& axes_name) {
  // Shapes
  const Axes axes = parse_axes(axes_name);
  const Operand a("out_a", out_a, axes), b("out_b", out_b, axes);
  const Operand log_a = Operand::of_rows("lse_a", lse_a), log_b = Operand::of_rows("lse_b", lse_b);
  const Shape &out = a.shape(), rows{out.B, out.S, out.H, 1};
  require(b.shape() == out, "[merge] both results must have the same shape; found out_a ", out, " and out_b ",
          b.shape(), "; merge results of the same queries");
  require(log_a.shape() == rows && log_b.shape() == rows,
          "[merge] lse must have the shape (batch, heads, sequence) = (", out.B, ", ", out.H, ", ", out.S,
          "); found another shape; transpose it");

  require_finite("out_a", a.view()), require_finite("out_b", b.view());
  require_finite_or_minus_infinity("lse_a", log_a.view()),
      require_finite_or_minus_infinity("lse_b", log_b.view());

  // Merge the two as states
  AttentionOutput<double> result = interruptible([&] {
    SoftmaxState<double> state = state_from_result(a.view(), log_a.view());
    state.merge(state_from_result(b.view(), log_b.view()));
    return state.finish();
  });
  return nb::make_tuple(to_numpy(std::move(result.out), axes), rows_to_numpy(std::move(result.lse)));
}

}  // namespace

void bind_attention(nb::module_& m) {
  m.def("attention", &attention_of, "inputs"_a, "(out, lse)");
  m.def("attention_vjp", &vjp_of, "inputs"_a, "dout"_a, "dlse"_a.none(),
        "(dq, dk, dv), and dsinks with sinks");
  m.def("merge", &merge, "out_a"_a, "lse_a"_a, "out_b"_a, "lse_b"_a, "axes"_a, "(out, lse)");
}

}  // namespace ringattn::python
