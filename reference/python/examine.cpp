#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "reference/definition/input/bad_input.h"
#include "reference/oracle/report/examination_report.h"
#include "reference/python/parse_arguments.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

// A Python function as an implementation of attention. It takes arrays and returns a tuple of arrays, or a sentence
// that says why there is no result. Inputs are float32, or float64 for an implementation of that precision.
class PythonFunction {
 public:
  PythonFunction(nb::object function, Axes axes, bool f64)
      : function_(std::move(function)), axes_(axes), f64_(f64) {}

  // out, and lse or None
  nb::tuple operator()(const Problem<double>& problem) const {
    return result(function_(to_python(problem.Q), to_python(problem.K), to_python(problem.V)));
  }
  // dq, dk, dv
  nb::tuple operator()(const Problem<double>& problem, const Tensor<double>& dout,
                       const Tensor<double>& dlse) const {
    return result(
        function_(to_python(problem.Q), to_python(problem.K), to_python(problem.V), to_python(dout),
                  f64_ ? rows_to_numpy(dlse) : rows_to_numpy(converted<float>(dlse.view(), Axes::bhsd))));
  }

  Operand operand(const char* name, nb::handle array) const {
    try {
      return Operand(name, array, axes_);
    } catch (const BadInput& bad) {
      throw FailedCall(std::string("returned an array that is no tensor: ") + bad.what());
    }
  }
  static Operand rows(const char* name, nb::handle array) {
    try {
      return Operand::of_rows(name, array);
    } catch (const BadInput& bad) {
      throw FailedCall(std::string("returned an array that is no lse: ") + bad.what());
    }
  }

 private:
  static nb::tuple result(nb::object returned) {
    if (nb::isinstance<nb::str>(returned)) throw FailedCall(nb::cast<std::string>(returned));
    return nb::cast<nb::tuple>(returned);
  }
  nb::object to_python(const TensorView<const double>& tensor) const {
    if (f64_) return to_numpy(converted<double>(tensor), axes_);
    return to_numpy(converted<float>(tensor), axes_);
  }

  nb::object function_;
  Axes axes_;
  bool f64_;
};

AttentionOutput<double> forward_result(const PythonFunction& function, const Problem<double>& problem) {
  const nb::gil_scoped_acquire gil;
  const nb::tuple returned = function(problem);
  AttentionOutput<double> result{converted<double>(function.operand("out", returned[0]).view()), {}};
  if (!returned[1].is_none())
    result.lse = converted<double>(PythonFunction::rows("lse", returned[1]).view(), Axes::bhsd);
  return result;
}

Gradients<double> backward_result(const PythonFunction& function, const Problem<double>& problem,
                                  const Tensor<double>& dout, const Tensor<double>& dlse) {
  const nb::gil_scoped_acquire gil;
  const nb::tuple returned = function(problem, dout, dlse);
  return {converted<double>(function.operand("dq", returned[0]).view()),
          converted<double>(function.operand("dk", returned[1]).view()),
          converted<double>(function.operand("dv", returned[2]).view())};
}

// A tensor (B, Hq, Sq, Skv) of one matrix of each head
template <class Member>
nb::object pairs_to_numpy(const Examination& examination, const Member& member) {
  if (!examination.measured()) return nb::none();
  const Matrix<double>& first = member(examination.heads(0, 0));
  Tensor<double> pairs({examination.heads.batches(), examination.heads.heads(), first.rows(), first.cols()});
  double* next = pairs.data();
  for (const HeadReadout& head : examination.heads) {
    const Matrix<double>& matrix = member(head);
    next = std::copy_n(matrix.data(), matrix.size(), next);
  }
  return to_numpy(std::move(pairs));
}

nb::object heads_to_numpy(const Examination& examination, double factor) {
  if (!examination.measured()) return nb::none();
  Tensor<double> scales = row_tensor<double>(examination.heads.batches(), 1, examination.heads.heads());
  double* next = scales.data();
  for (const HeadReadout& head : examination.heads) *next++ = factor * head.scale_factor;
  return rows_to_numpy(std::move(scales));
}

// The declared precision; what is not given is the type of out of one call
ImplementationPrecision declared_precision(const PythonFunction& function, const ProblemArrays& inputs,
                                           const std::optional<std::string>& implementation) {
  const nb::tuple returned = function(inputs.problem());
  ImplementationPrecision declared;
  declared.stored = function.operand("out", returned[0]).stored();
  declared.lse_stored = declared.stored == Dtype::f64 ? Dtype::f64 : Dtype::f32;
  if (!returned[1].is_none()) declared.lse_stored = PythonFunction::rows("lse", returned[1]).stored();
  declared.implementation = parse_precision(implementation.value_or(name(declared.stored)));
  require(!has_eight_bits(declared.implementation),
          "[examine] the weights of products in 8 bits are too coarse to be measured; found ",
          name(declared.implementation), "; choose a wider implementation, or call check");
  return declared;
}

// Returns the report as text, JSON and HTML, and the measured weights, the right ones, the weights under even scores
// and the scale of each head (None if they could not be measured)
nb::tuple examine_functions(const ProblemArrays& inputs, nb::object forward, nb::object backward,
                            const std::optional<std::string>& implementation, bool dlse, Index devices,
                            const std::string& layout) {
  reject_pair_terms("examine", inputs);
  require(!inputs.padding.any(),
          "[examine] every row is measured, so that none can be padding; found seqused_q or seqused_k; leave "
          "them "
          "out");
  const bool f64 = implementation && parse_precision(*implementation) == Precision::f64;
  const PythonFunction run_forward(forward, inputs.axes, f64), run_backward(backward, inputs.axes, f64);
  const Problem<double> problem = inputs.problem();
  ExaminedAttention attention{.q = problem.Q.shape,
                              .k = problem.K.shape,
                              .v = problem.V.shape,
                              .q_positions = problem.q_positions,
                              .kv_positions = problem.kv_positions,
                              .scoring = problem.scoring,
                              .declared = {},
                              .layout = parse_layout(layout),
                              .devices = parse_devices(devices),
                              .earlier_calls = 1,
                              .forward = {},
                              .backward = {}};
  Examination examination;
  examination.heads = PerHead<HeadReadout>(attention.q.B, attention.q.H);
  try {
    attention.declared = declared_precision(run_forward, inputs, implementation);
    attention.forward = [&](const Problem<double>& each) { return forward_result(run_forward, each); };
    if (!backward.is_none())
      attention.backward = [&](const Problem<double>& each, const Tensor<double>& dout) {
        const Shape out = each.out_shape();
        return backward_result(run_backward, each, dout, row_tensor<double>(out.B, out.S, out.H));
      };
    if (!backward.is_none() && dlse)
      attention.backward_of_lse = [&](const Problem<double>& each, const Tensor<double>& of_lse) {
        return backward_result(run_backward, each, Tensor<double>(each.out_shape()), of_lse);
      };
    const nb::gil_scoped_release gil_released;
    examination = examine(attention);
  } catch (const FailedCall& failure) {  // of the first call
    examination.findings = {
        {.kind = FindingKind::failed_call, .numbers = {{"call", 1}}, .quoted = failure.what()}};
    examination.calls = 1;
  }
  return nb::make_tuple(
      to_text(attention, examination), pretty(to_json(attention, examination)),
      to_html(attention, examination),
      pairs_to_numpy(examination,
                     [](const HeadReadout& head) -> const Matrix<double>& { return head.varied.found; }),
      pairs_to_numpy(examination,
                     [](const HeadReadout& head) -> const Matrix<double>& { return head.varied.right; }),
      pairs_to_numpy(examination,
                     [](const HeadReadout& head) -> const Matrix<double>& { return head.even.found; }),
      heads_to_numpy(examination, attention.scoring.scale(attention.q.D)));
}

}  // namespace

void bind_examine(nb::module_& m) {
  m.def(
      "require_measurable",
      [](const std::array<Index, 4>& q, const std::array<Index, 4>& k, const std::array<Index, 4>& v) {
        const auto shape = [](const std::array<Index, 4>& s) { return Shape{s[0], s[1], s[2], s[3]}; };
        require_measurable(shape(q), shape(k), shape(v));
      },
      "q"_a, "k"_a, "v"_a, "refuses shapes whose weights cannot be measured");
  m.def("examine", &examine_functions, "inputs"_a, nb::kw_only(), "forward"_a, "backward"_a.none(),
        "implementation"_a.none(), "dlse"_a, "devices"_a, "layout"_a,
        "(text, JSON, HTML, measured weights, right weights, weights under even scores, scale of each head)");
}

}  // namespace ringattn::python
