#include "reference/python/problem_arrays.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include "reference/definition/bad_input.h"
#include "reference/files/tensors/stored_tensor.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

// From the keywords of one call, which ringattn/_keywords.py has completed with the defaults
ProblemArrays make_problem_arrays(nb::handle q, nb::handle k, nb::handle v, const std::string& axes,
                                  std::optional<double> softmax_scale, bool causal,
                                  const std::optional<std::string>& causal_align,
                                  std::pair<std::int64_t, std::int64_t> window_size, double softcap,
                                  nb::handle bias, nb::handle mask, PositionArguments arguments) {
  // Tensors and scoring
  ProblemArrays inputs;
  inputs.axes = parse_axes(axes);
  inputs.Q = Operand("q", q, inputs.axes), inputs.K = Operand("k", k, inputs.axes),
  inputs.V = Operand("v", v, inputs.axes);
  require(inputs.Q.stored() == inputs.K.stored() && inputs.K.stored() == inputs.V.stored(),
          "[attention] q, k and v must have the same type; found ", name(inputs.Q.stored()), ", ",
          name(inputs.K.stored()), " and ", name(inputs.V.stored()), "; convert them to one type");
  inputs.scoring = {softmax_scale, softcap, {causal, window_size.first, window_size.second}};

  // Positions, bias and mask
  const Shape &shape = inputs.Q.view().shape, &keys = inputs.K.view().shape;
  const bool masked = causal || window_size != std::pair<std::int64_t, std::int64_t>{-1, -1};
  if (causal_align) arguments.causal_align = parse_causal_align(*causal_align);
  QueryKeyPositions positions = make_positions(arguments, shape.B, shape.S, keys.S, masked);
  inputs.q_positions = std::move(positions.q), inputs.kv_positions = std::move(positions.kv);
  if (!bias.is_none()) inputs.bias = PairOperand<double>("bias", bias, shape, keys.S);
  if (!mask.is_none()) inputs.mask = PairOperand<bool>("mask", mask, shape, keys.S);

  // Shapes and values
  check(inputs.problem());
  require_finite("q", inputs.Q.view()), require_finite("k", inputs.K.view()),
      require_finite("v", inputs.V.view());
  return inputs;
}

}  // namespace

CotangentOperands::CotangentOperands(nb::handle dout_argument, nb::handle dlse_argument, Axes axes) {
  require(!dout_argument.is_none() || dlse_argument.is_none(),
          "[dlse] dlse needs dout; found dlse alone; pass dout as well, zeros if the loss does not depend on "
          "out");
  if (!dout_argument.is_none()) dout = Operand("dout", dout_argument, axes);
  if (!dlse_argument.is_none()) dlse = Operand::of_rows("dlse", dlse_argument);
  require_finite("dout", dout.view()), require_finite("dlse", dlse.view());
}

void bind_case(nb::module_& m) {
  nb::class_<ProblemArrays>(m, "ProblemArrays", "One attention problem: arrays, masks and scoring.")
      .def(
          "__init__",
          [](ProblemArrays* self, nb::handle q, nb::handle k, nb::handle v, const std::string& axes,
             std::optional<double> softmax_scale, bool causal, const std::optional<std::string>& causal_align,
             std::pair<std::int64_t, std::int64_t> window_size, double softcap, nb::handle bias,
             nb::handle mask, std::optional<Integers> q_positions, std::optional<Integers> kv_positions,
             std::optional<Integers> q_segment_ids, std::optional<Integers> kv_segment_ids,
             std::optional<Integers> cu_seqlens_q, std::optional<Integers> cu_seqlens_k) {
            new (self) ProblemArrays(make_problem_arrays(q, k, v, axes, softmax_scale, causal, causal_align,
                                                         window_size, softcap, bias, mask,
                                                         {{},
                                                          std::move(q_positions),
                                                          std::move(kv_positions),
                                                          std::move(q_segment_ids),
                                                          std::move(kv_segment_ids),
                                                          std::move(cu_seqlens_q),
                                                          std::move(cu_seqlens_k)}));
          },
          "q"_a, "k"_a, "v"_a, nb::kw_only(), "axes"_a, "softmax_scale"_a.none(), "causal"_a,
          "causal_align"_a.none(), "window_size"_a, "softcap"_a, "bias"_a.none(), "mask"_a.none(),
          "q_positions"_a.none(), "kv_positions"_a.none(), "q_segment_ids"_a.none(),
          "kv_segment_ids"_a.none(), "cu_seqlens_q"_a.none(), "cu_seqlens_k"_a.none());
}

}  // namespace ringattn::python
