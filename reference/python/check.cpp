// Binds the check of submitted results.

#include "reference/oracle/check.h"

#include <nanobind/stl/function.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <set>

#include "reference/definition/error/row_sample.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/device_count.h"
#include "reference/definition/minus_infinity.h"
#include "reference/oracle/report/report.h"
#include "reference/oracle/verdict/typical_distance.h"
#include "reference/python/interruptible.h"
#include "reference/python/parse_arguments.h"
#include "reference/strategies/strategy_sharding.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

using SubmittedArrays = std::map<std::string, nb::object>;

// The results of the implementation under test: any of out lse dq dk dv dsinks, each an array or, but for dsinks, a
// list with one per device.
class SubmittedResults {
 public:
  // _any_order_: the axes of results may be in another order than those of the inputs
  SubmittedResults(const ProblemArrays& inputs, const SubmittedArrays& arrays, const StrategySharding& shards,
                   bool any_order)
      : shards_(shards), orders_{inputs.axes} {
    for (const Axes axes : all_axes)
      if (any_order && axes != inputs.axes) orders_.push_back(axes);
    const Shape &q = inputs.Q.shape(), &k = inputs.K.shape(), &v = inputs.V.shape();
    const std::map<std::string, Shape> shapes{
        {"out", {q.B, q.S, q.H, v.D}}, {"lse", {q.B, q.S, q.H, 1}}, {"dq", q}, {"dk", k}, {"dv", v}};
    for (const auto& [name, array] : arrays) {
      if (name == "dsinks") {
        require(!nb::isinstance<nb::list>(array),
                "[check] dsinks are sums over the rows of all devices; found a list; pass the sums");
        operands_.emplace(name, Operand::of_heads(name, array));
        continue;
      }
      Shape wanted = shapes.at(name);
      wanted.S = name == "dk" || name == "dv" ? inputs.stored_keys : inputs.stored_queries;
      Operand operand = nb::isinstance<nb::list>(array) ? joined(name, nb::borrow<nb::list>(array), wanted)
                                                        : read(name, array, wanted);
      operand.keep_first(shapes.at(name).S);
      if (name == "lse")
        operand.fill_padding_of_lse(inputs.padding.queries, inputs.scoring);
      else
        operand.fill_padding(name == "dk" || name == "dv" ? inputs.padding.keys : inputs.padding.queries);
      operands_.emplace(name, std::move(operand));
    }
  }

  std::optional<TensorView<const double>> view(const std::string& name) const {
    const auto found = operands_.find(name);
    return found == operands_.end() ? std::nullopt : std::optional(found->second.view());
  }

  // How results are read, in sentences
  const std::set<std::string>& notes() const { return notes_; }

  // The type of the first of these results that was submitted
  Dtype stored(std::initializer_list<const char*> names, Dtype otherwise) const {
    for (const char* name : names)
      if (operands_.count(name)) return operands_.at(name).stored();
    return otherwise;
  }

 private:
  Operand read(const std::string& name, nb::handle array, const Shape& wanted) {
    for (const Axes axes : name == "lse" ? orders_of_lse : orders_)
      if (auto operand = Operand::of_shape(name, array, wanted, {axes})) {
        note_order(name, axes);
        return std::move(*operand);
      }
    Operand operand = name == "lse" ? Operand::of_rows(name, array) : Operand(name, array, orders_.front());
    require_shape(name, operand.shape(), wanted);
    return operand;
  }

  // Each array holds the rows of its device
  Operand joined(const std::string& name, const nb::list& arrays, const Shape& shape) {
    require(nb::len(arrays) == static_cast<std::size_t>(shards_.devices()), "[check] ", name,
            " must be one array, or a list of one array per device; found ", nb::len(arrays), " arrays for ",
            shards_.devices(), " devices; pass devices=");
    Tensor<double> whole(shape);
    Dtype stored = Dtype::f64;
    for (int device = 0; device < shards_.devices(); ++device) {
      const std::vector<Index> rows = shards_.rows_of(device, shape.S);
      Shape wanted = shape;
      wanted.S = static_cast<Index>(rows.size());
      const Operand part = read(name, arrays[static_cast<std::size_t>(device)], wanted);
      scatter_rows(converted<double>(part.view()), rows, whole);
      stored = part.stored();
    }
    return {std::move(whole), stored};
  }

  static void require_shape(const std::string& name, const Shape& found, const Shape& wanted) {
    if (name == "lse")
      require(found == wanted, "[check] lse must have the shape (batch, heads, sequence) = (", wanted.B, ", ",
              wanted.H, ", ", wanted.S, "); found (", found.B, ", ", found.H, ", ", found.S,
              "); transpose it");
    else
      require(found == wanted, "[check] ", name,
              " must have the shape (batch, sequence, heads, head_dim) = ", wanted, "; found ", found,
              "; transpose it, or pass axes='bhsd' if all tensors have that order");
  }

  void note_order(const std::string& name, Axes axes) {
    if (name != "lse" && axes != orders_.front())
      notes_.insert(name + " is read as " + axis_names(axes) + ", the order that fits its shape");
  }

  StrategySharding shards_;
  std::vector<Axes> orders_;
  std::map<std::string, Operand> operands_;
  std::set<std::string> notes_;
};

bool held_exactly(Precision precision, const TensorView<const double>& tensor) {
  const Shape& s = tensor.shape;
  for (Index b = 0; b < s.B; ++b)
    for (Index i = 0; i < s.S; ++i)
      for (Index h = 0; h < s.H; ++h)
        for (Index d = 0; d < s.D; ++d)
          if (!ringattn::held_exactly(precision, tensor(b, i, h, d))) return false;
  return true;
}

// The precision of the implementation: as declared, else the type in which the results are stored
ImplementationPrecision declared_precision(const ProblemArrays& inputs, const SubmittedResults& submitted,
                                           const Cotangents<double>& cotangents,
                                           const std::optional<std::string>& implementation) {
  ImplementationPrecision d;
  d.stored = submitted.stored({"out", "dq", "dk", "dv", "dsinks"}, inputs.Q.stored());
  d.lse_stored = submitted.stored({"lse"}, d.stored == Dtype::f64 ? Dtype::f64 : Dtype::f32);
  d.implementation = parse_precision(implementation.value_or(name(d.stored)));
  d.exact_operands = held_exactly(d.implementation, cotangents.dout);
  // Operands of 8 bits are the numbers of the arrays, and their factors follow the products
  if (inputs.eight_bits && has_eight_bits(d.implementation)) return d;
  for (const TensorView<const double>& tensor : {inputs.Q.view(), inputs.K.view(), inputs.V.view()})
    d.exact_operands &= held_exactly(d.implementation, tensor);
  return d;
}

// (strategy, group, layout, devices)
using RingArguments = std::tuple<std::string, Index, std::string, Index>;

StrategySharding parse_sharding(const ProblemArrays& inputs, const RingArguments& ring) {
  const auto& [strategy, group, layout, devices] = ring;
  require(0 <= group && group <= max_devices, "[group] the devices of a group must be from 1 to ",
          max_devices, ", or 0 if not given; found ", group, "; choose another number");
  RingOptions options;
  options.devices = parse_devices(devices), options.layout = parse_layout(layout);
  return {{parse_strategy(strategy), static_cast<int>(group), options},
          inputs.Q.view().shape.H,
          inputs.K.view().shape.H};
}

struct CheckArguments {
  StrategySharding shards;
  Index rows;
  std::uint64_t seed;
};

Submission submission(const ProblemArrays& inputs, const SubmittedResults& submitted,
                      const Cotangents<double>& cotangents, const std::optional<std::string>& implementation,
                      const CheckArguments& call) {
  return {inputs.problem(),          cotangents,
          submitted.view("out"),     submitted.view("lse"),
          submitted.view("dq"),      submitted.view("dk"),
          submitted.view("dv"),      declared_precision(inputs, submitted, cotangents, implementation),
          call.shards.ring_layout(), call.shards.ring_devices(),
          submitted.view("dsinks")};
}

// Returns the report as text and JSON, as the command line prints it, and the largest error of each row in tolerances
nb::tuple check_case(const ProblemArrays& inputs, const SubmittedArrays& arrays, nb::handle dout,
                     nb::handle dlse, const std::optional<std::string>& implementation,
                     const RingArguments& ring, Index rows, std::uint64_t seed, bool list_undetectable,
                     bool any_order, const std::vector<std::string>& notes) {
  // Arguments
  const StrategySharding shards = parse_sharding(inputs, ring);
  const SubmittedResults submitted(inputs, arrays, shards, any_order);
  const CotangentOperands operands(dout, dlse, inputs);
  // A ring of the rows that are left has other shards
  const CheckArguments call{inputs.padded() ? StrategySharding() : shards, rows, seed};

  // Check, and write the report
  std::string text, json;
  Report report = interruptible([&] {
    if (operands.dout) check(inputs.problem(), operands.cotangents());
    const Submission s = submission(inputs, submitted, operands.cotangents(), implementation, call);
    Report found = check_submission(s, {rows, seed, true, list_undetectable});
    found.remarks.insert(found.remarks.begin(), submitted.notes().begin(), submitted.notes().end());
    if (const std::string note = shards.note(); !note.empty())
      found.remarks.insert(found.remarks.begin(), note);
    found.remarks.insert(found.remarks.begin(), notes.begin(), notes.end());
    text = to_text(s, found);
    json = pretty(to_json(s, found));
    return found;
  });
  nb::dict row_ratios;
  for (TensorVerdict& tensor_verdict : report.tensor_verdicts)
    row_ratios[tensor_verdict.tensor.c_str()] = rows_to_numpy(std::move(tensor_verdict.row_ratio));
  return nb::make_tuple(text, json, row_ratios, report.rows, report.keys);
}

nb::tuple laws_of(const ProblemArrays& inputs, const SubmittedArrays& arrays, nb::handle dout,
                  nb::handle dlse, const std::optional<std::string>& implementation, Index rows,
                  std::uint64_t seed) {
  const SubmittedResults submitted(inputs, arrays, {}, false);
  const CotangentOperands operands(dout, dlse, inputs);
  const std::vector<Law> found = interruptible([&] {
    const Problem<double> problem = inputs.problem();
    if (operands.dout) check(problem, operands.cotangents());
    return laws({problem, submitted.view("out"), submitted.view("lse"), submitted.view("dq"),
                 submitted.view("dk"), submitted.view("dv"), operands.cotangents()},
                declared_precision(inputs, submitted, operands.cotangents(), implementation),
                sample_rows(problem.Q.shape.S, rows, Layout::contiguous, 1, seed));
  });
  return nb::make_tuple(text_of(found), found);
}

// (typical distance, rows, heads) of a submission that is read in one order of its axes
nb::tuple ordered_reading(const ProblemArrays& inputs, const SubmittedArrays& arrays, nb::handle dout,
                          nb::handle dlse, const RingArguments& ring) {
  const SubmittedResults submitted(inputs, arrays, parse_sharding(inputs, ring), true);
  const CotangentOperands operands(dout, dlse, inputs);
  const double distance = interruptible([&] {
    const Problem<double> problem = inputs.problem();
    if (operands.dout) check(problem, operands.cotangents());
    return typical_distance(problem, operands.cotangents(),
                            {submitted.view("out"), submitted.view("lse"), submitted.view("dq")});
  });
  const Shape& q = inputs.Q.shape();
  return nb::make_tuple(distance, q.S, q.H);
}

using Reader = std::function<std::optional<std::tuple<double, Index, Index>>(std::string)>;

nb::tuple choose_order_of(const Reader& read) {
  const std::vector<Axes> orders(std::begin(all_axes), std::end(all_axes));
  const auto [axes, note] = choose_order(orders, [&](Axes each) -> std::optional<OrderTrial> {
    const auto found = read(name(each));
    if (!found) return std::nullopt;
    const auto [distance, rows, heads] = *found;
    return OrderTrial{distance, {.S = rows, .H = heads}};
  });
  return nb::make_tuple(name(axes), note);
}

}  // namespace

void bind_check(nb::module_& m) {
  nb::class_<Law>(m, "Law", "A conservation law: right results obey it for all inputs.")
      .def_ro("id", &Law::id)
      .def_ro("statement", &Law::statement)
      .def_ro("meaning", &Law::meaning, "what it means if the law is broken")
      .def_ro("ratio", &Law::ratio, "the largest |left - right|, in tolerances of its terms")
      .def_ro("left", &Law::left)
      .def_ro("right", &Law::right)
      .def_prop_ro("holds", &Law::holds)
      .def("__getstate__",
           [](const Law& law) {
             return std::tuple(law.id, law.statement, law.meaning, law.ratio, law.left, law.right);
           })
      .def("__setstate__",
           [](Law& law,
              const std::tuple<std::string, std::string, std::string, double, double, double>& state) {
             new (&law) Law(std::make_from_tuple<Law>(state));
           })
      .def("__repr__", [](const Law& law) {
        return "<law " + law.id + (law.holds() ? " holds: " : " broken: ") + law.statement + ">";
      });
  m.def("check", &check_case, "inputs"_a, "submitted"_a, nb::kw_only(), "dout"_a.none(), "dlse"_a.none(),
        "implementation"_a.none(), "ring"_a, "rows"_a, "seed"_a, "blind_spots"_a, "any_order"_a, "notes"_a,
        "(text, JSON, error of each row by tensor, checked rows, checked keys)");
  m.def("ordered_reading", &ordered_reading, "inputs"_a, "submitted"_a, nb::kw_only(), "dout"_a.none(),
        "dlse"_a.none(), "ring"_a, "(typical distance, rows, heads)");
  m.def("choose_order", &choose_order_of, "read"_a,
        "(axes, sentence) of a submission; read(axes) is its ordered_reading, or None");
  m.def("laws", &laws_of, "inputs"_a, "submitted"_a, nb::kw_only(), "dout"_a.none(), "dlse"_a.none(),
        "implementation"_a.none(), "rows"_a, "seed"_a, "(text, laws)");
}

}  // namespace ringattn::python
