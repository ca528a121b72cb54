#include "reference/python/problem_arrays.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "reference/definition/error/chunked.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/descale.h"
#include "reference/definition/minus_infinity.h"
#include "reference/files/tensors/stored_tensor.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

std::size_t rank_of(nb::handle array) { return to_array("q", array).ndim(); }

// The number of rows of which cu_seqlens speaks; all of them if it is not valid, which is refused later
Index end_of_documents(const std::optional<Integers>& cu_seqlens, Index rows) {
  if (!cu_seqlens || cu_seqlens->ndim() != 1 || cu_seqlens->size() == 0) return rows;
  const std::int64_t end = cu_seqlens->data()[cu_seqlens->size() - 1];
  return 0 < end && end < rows ? end : rows;
}

// The keywords of Python that hold one value for each pair of query and key
struct PairArguments {
  nb::handle bias, mask, keep;
  double dropout_p;
};

// The factors of q, k and v of 8 bits
using Factors = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;
struct DescaleArguments {
  std::optional<Factors> q, k, v;
  Index block;
};

void apply_descale(const char* name, const std::optional<Factors>& factors, Index block, Operand& operand) {
  if (!factors) return;
  Descale descale{{}, {factors->data(), factors->data() + factors->size()}, block};
  for (std::size_t axis = 0; axis < factors->ndim(); ++axis)
    descale.extents.push_back(static_cast<Index>(factors->shape(axis)));
  operand.change([&](Tensor<double>& tensor) { apply(descale, name, tensor); });
}

// From the keywords of one call, which ringattn/_keywords.py has completed with the defaults
ProblemArrays make_problem_arrays(nb::handle q, nb::handle k, nb::handle v, const std::string& axes,
                                  std::optional<double> softmax_scale, bool causal,
                                  const std::optional<std::string>& causal_align,
                                  std::pair<std::int64_t, std::int64_t> window_size, double softcap,
                                  std::vector<double> sinks, std::vector<double> alibi_slopes,
                                  const PairArguments& pairs, bool eight_bits,
                                  const DescaleArguments& descale, PositionArguments arguments) {
  // Tensors and scoring
  ProblemArrays inputs;
  inputs.axes = parse_axes(axes);
  const bool documents = arguments.cu_seqlens_q.has_value();
  inputs.Q = Operand("q", q, inputs.axes, documents), inputs.K = Operand("k", k, inputs.axes, documents),
  inputs.V = Operand("v", v, inputs.axes, documents);
  inputs.packed = documents && rank_of(q) == 3;
  require(inputs.Q.stored() == inputs.K.stored() && inputs.K.stored() == inputs.V.stored(),
          "[attention] q, k and v must have the same type; found ", name(inputs.Q.stored()), ", ",
          name(inputs.K.stored()), " and ", name(inputs.V.stored()), "; convert them to one type");
  inputs.scoring = {softmax_scale,
                    softcap,
                    {causal, window_size.first, window_size.second},
                    std::move(sinks),
                    std::move(alibi_slopes)};

  inputs.eight_bits = eight_bits;
  apply_descale("descale_q", descale.q, descale.block, inputs.Q);
  apply_descale("descale_k", descale.k, descale.block, inputs.K);
  apply_descale("descale_v", descale.v, descale.block, inputs.V);

  // Rows after the last document are left out
  inputs.stored_queries = inputs.Q.shape().S, inputs.stored_keys = inputs.K.shape().S;
  inputs.Q.keep_first(end_of_documents(arguments.cu_seqlens_q, inputs.stored_queries));
  const auto& cu_k = arguments.cu_seqlens_k ? arguments.cu_seqlens_k : arguments.cu_seqlens_q;
  const Index keys_kept = end_of_documents(cu_k, inputs.stored_keys);
  inputs.K.keep_first(keys_kept);
  if (inputs.V.shape().S == inputs.stored_keys) inputs.V.keep_first(keys_kept);

  // Positions, bias and mask
  const Shape &shape = inputs.Q.shape(), &keys = inputs.K.shape();
  const bool masked = causal || window_size != std::pair<std::int64_t, std::int64_t>{-1, -1};
  if (causal_align) arguments.causal_align = parse_causal_align(*causal_align);
  QueryKeyPositions positions = make_positions(arguments, shape.B, shape.S, keys.S, masked);
  inputs.q_positions = std::move(positions.q), inputs.kv_positions = std::move(positions.kv);
  inputs.padding = std::move(positions.padding);
  inputs.Q.fill_padding(inputs.padding.queries), inputs.K.fill_padding(inputs.padding.keys);
  inputs.V.fill_padding(inputs.padding.keys);
  Shape stored = shape;
  stored.S = inputs.stored_queries;
  const auto set = [&](auto& operand, const char* name, nb::handle array) {
    if (!array.is_none()) operand = {name, array, stored, inputs.stored_keys};
  };
  set(inputs.bias, "bias", pairs.bias), set(inputs.mask, "mask", pairs.mask),
      set(inputs.keep, "keep", pairs.keep);
  require(pairs.keep.is_none() || pairs.dropout_p > 0,
          "[dropout_p] keep needs the probability with which pairs were dropped; found keep alone; pass "
          "dropout_p");
  inputs.dropout_p = pairs.dropout_p;

  // Shapes and values
  check(inputs.without_numbers());
  inputs.Q.require_finite("q"), inputs.K.require_finite("k"), inputs.V.require_finite("v");
  return inputs;
}

}  // namespace

CotangentOperands::CotangentOperands(nb::handle dout_argument, nb::handle dlse_argument,
                                     const ProblemArrays& inputs) {
  require(!dout_argument.is_none() || dlse_argument.is_none(),
          "[dlse] dlse needs dout; found dlse alone; pass dout as well, zeros if the loss does not depend on "
          "out");
  const Index Sq = inputs.Q.shape().S;
  const Shape &q = inputs.Q.shape(), rows{q.B, inputs.stored_queries, q.H, 1};
  if (!dout_argument.is_none()) dout = Operand("dout", dout_argument, inputs.axes, inputs.packed);
  if (!dlse_argument.is_none()) {
    auto in_other_order = Operand::of_shape("dlse", dlse_argument, rows, orders_of_lse);
    dlse = in_other_order ? std::move(*in_other_order) : Operand::of_rows("dlse", dlse_argument);
  }
  if (inputs.padded()) dout.keep_first(Sq), dlse.keep_first(Sq);
  if (dout.shape().S == Sq) dout.fill_padding(inputs.padding.queries);
  if (dlse.shape().S == Sq) dlse.fill_padding(inputs.padding.queries);
  dout.require_finite("dout"), dlse.require_finite("dlse");
}

namespace {

// With rows of the number _fill_ after the last document
template <class T>
Tensor<T> with_rows(Tensor<T> result, Index rows, T fill) {
  Shape shape = result.shape();
  if (shape.S == rows) return result;
  shape.S = rows;
  Tensor<T> extended(shape);
  std::fill_n(extended.data(), extended.size(), fill);
  scatter_rows(result, all_rows(result.shape().S), extended);
  return extended;
}

}  // namespace

template <class T>
nb::object result_to_numpy(Tensor<T> result, const ProblemArrays& inputs, RowsOf rows) {
  const Index stored = rows == RowsOf::queries ? inputs.stored_queries : inputs.stored_keys;
  return to_numpy(with_rows(std::move(result), stored, T(0)), inputs.axes, inputs.packed);
}

template <class T>
nb::object lse_to_numpy(Tensor<T> lse, const ProblemArrays& inputs) {
  return rows_to_numpy(with_rows(std::move(lse), inputs.stored_queries, minus_infinity<T>), inputs.packed);
}

template nb::object result_to_numpy(Tensor<float>, const ProblemArrays&, RowsOf);
template nb::object result_to_numpy(Tensor<double>, const ProblemArrays&, RowsOf);
template nb::object lse_to_numpy(Tensor<float>, const ProblemArrays&);
template nb::object lse_to_numpy(Tensor<double>, const ProblemArrays&);

void bind_case(nb::module_& m) {
  nb::class_<ProblemArrays>(m, "ProblemArrays", "One attention problem: arrays, masks and scoring.")
      .def(
          "__init__",
          [](ProblemArrays* self, nb::handle q, nb::handle k, nb::handle v, bool eight_bits,
             const std::string& axes, std::optional<double> softmax_scale, bool causal,
             const std::optional<std::string>& causal_align,
             std::pair<std::int64_t, std::int64_t> window_size, double softcap, std::vector<double> sinks,
             std::vector<double> alibi_slopes, nb::handle bias, nb::handle mask, nb::handle keep,
             double dropout_p, std::optional<Factors> descale_q, std::optional<Factors> descale_k,
             std::optional<Factors> descale_v, Index descale_block, std::optional<Integers> q_positions,
             std::optional<Integers> kv_positions, std::optional<Integers> q_segment_ids,
             std::optional<Integers> kv_segment_ids, std::optional<Integers> cu_seqlens_q,
             std::optional<Integers> cu_seqlens_k, std::optional<Integers> seqused_q,
             std::optional<Integers> seqused_k) {
            new (self) ProblemArrays(make_problem_arrays(
                q, k, v, axes, softmax_scale, causal, causal_align, window_size, softcap, std::move(sinks),
                std::move(alibi_slopes), {bias, mask, keep, dropout_p}, eight_bits,
                {std::move(descale_q), std::move(descale_k), std::move(descale_v), descale_block},
                {{},
                 std::move(q_positions),
                 std::move(kv_positions),
                 std::move(q_segment_ids),
                 std::move(kv_segment_ids),
                 std::move(cu_seqlens_q),
                 std::move(cu_seqlens_k),
                 std::move(seqused_q),
                 std::move(seqused_k)}));
          },
          "q"_a, "k"_a, "v"_a, nb::kw_only(), "eight_bits"_a, "axes"_a, "softmax_scale"_a.none(), "causal"_a,
          "causal_align"_a.none(), "window_size"_a, "softcap"_a, "sinks"_a, "alibi_slopes"_a, "bias"_a.none(),
          "mask"_a.none(), "keep"_a.none(), "dropout_p"_a, "descale_q"_a.none(), "descale_k"_a.none(),
          "descale_v"_a.none(), "descale_block"_a, "q_positions"_a.none(), "kv_positions"_a.none(),
          "q_segment_ids"_a.none(), "kv_segment_ids"_a.none(), "cu_seqlens_q"_a.none(),
          "cu_seqlens_k"_a.none(), "seqused_q"_a.none(), "seqused_k"_a.none())
      .def_prop_ro("padding",
                   [](const ProblemArrays& inputs) {
                     return inputs.padding.any() ? std::optional(describe(inputs.padding)) : std::nullopt;
                   })
      .def_prop_ro("queries", [](const ProblemArrays& inputs) { return inputs.Q.shape().S; });
}

}  // namespace ringattn::python
