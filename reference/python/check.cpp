#include "reference/oracle/check.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>

#include "reference/cli/check_report.h"
#include "reference/definition/bad_input.h"
#include "reference/definition/row_sample.h"
#include "reference/python/words.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

// The results of somebody's implementation: any of out lse dq dk dv.
class Claims {
 public:
  Claims(const Case& c, const std::map<std::string, Array>& arrays) {
    const Shape &q = c.Q.view().shape, &k = c.K.view().shape, &v = c.V.view().shape;
    const std::map<std::string, Shape> shapes{
        {"out", {q.B, q.S, q.H, v.D}}, {"lse", {q.B, q.S, q.H, 1}}, {"dq", q}, {"dk", k}, {"dv", v}};
    for (const auto& [name, array] : arrays) {
      Operand operand = name == "lse" ? Operand::of_rows(name, array) : Operand(name, array, c.axes);
      require_shape(name, operand.view().shape, shapes.at(name));
      operands_.emplace(name, std::move(operand));
    }
  }

  std::optional<TensorView<const double>> view(const std::string& name) const {
    const auto found = operands_.find(name);
    return found == operands_.end() ? std::nullopt : std::optional(found->second.view());
  }

  // The type of the first of them that was handed in
  Dtype stored(std::initializer_list<const char*> names, Dtype otherwise) const {
    for (const char* name : names)
      if (operands_.count(name)) return operands_.at(name).stored();
    return otherwise;
  }

 private:
  static void require_shape(const std::string& name, const Shape& found, const Shape& wanted) {
    if (name == "lse")
      require(found == wanted, "[check] lse must have the shape (batch, heads, sequence) = (", wanted.B, ", ",
              wanted.H, ", ", wanted.S, "); found (", found.B, ", ", found.H, ", ", found.S,
              "); transpose it");
    else
      require(found == wanted, "[check] ", name,
              " must have the shape (batch, sequence, heads, head_dim) = ", wanted, "; found ", found,
              "; transpose it, or say axes='bhsd' where all tensors are so");
  }

  std::map<std::string, Operand> operands_;
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

// Without a word of the implementer, the products are taken to be in the type of the results
Declared declared(const Case& c, const Claims& claims, const Cotangents<double>& cotangents,
                  const std::optional<std::string>& implementation) {
  Declared d;
  d.stored = claims.stored({"out", "dq", "dk", "dv"}, c.Q.stored());
  d.lse_stored = claims.stored({"lse"}, d.stored == Dtype::f64 ? Dtype::f64 : Dtype::f32);
  d.implementation = parse_precision(implementation.value_or(name(d.stored)));
  for (const TensorView<const double>& tensor : {c.Q.view(), c.K.view(), c.V.view(), cotangents.dout})
    d.exact_operands &= held_exactly(d.implementation, tensor);
  return d;
}

struct CheckCall {
  std::string layout;
  int devices;
  Index rows;
  std::uint64_t seed;
};

Submission submission(const Case& c, const Claims& claims, const Cotangents<double>& cotangents,
                      const std::optional<std::string>& implementation, const CheckCall& call) {
  return {c.problem(),
          cotangents,
          claims.view("out"),
          claims.view("lse"),
          claims.view("dq"),
          claims.view("dk"),
          claims.view("dv"),
          declared(c, claims, cotangents, implementation),
          parse_layout(call.layout),
          call.devices};
}

// What the command line prints and writes, and how many allowances each row is away
nb::tuple check_case(const Case& c, const std::map<std::string, Array>& arrays,
                     const std::optional<Array>& dout, const std::optional<Array>& dlse,
                     const std::optional<std::string>& implementation, Index devices,
                     const std::string& layout, Index rows, std::uint64_t seed, bool blind_spots) {
  require_ring_of_rows("check", c);
  const Claims claims(c, arrays);
  const CotangentOperands operands(dout, dlse, c.axes);
  const CheckCall call{layout, parse_devices(devices), rows, seed};
  std::string text, json;
  Report report;
  {
    const nb::gil_scoped_release others_may_run;
    if (operands.dout) check(c.problem(), operands.cotangents());
    const Submission s = submission(c, claims, operands.cotangents(), implementation, call);
    report = check_submission(s, {rows, seed, true, blind_spots});
    text = cli::to_text(s, report);
    json = pretty(cli::to_json(s, report));
  }
  nb::dict row_ratios;
  for (Judgement& judgement : report.judgements)
    row_ratios[judgement.tensor.c_str()] = rows_to_numpy(std::move(judgement.row_ratio));
  return nb::make_tuple(text, json, row_ratios, report.rows, report.keys);
}

nb::tuple laws_of(const Case& c, const std::map<std::string, Array>& arrays, const std::optional<Array>& dout,
                  const std::optional<Array>& dlse, const std::optional<std::string>& implementation,
                  Index rows, std::uint64_t seed) {
  require_ring_of_rows("laws", c);
  const Claims claims(c, arrays);
  const CotangentOperands operands(dout, dlse, c.axes);
  std::vector<Law> found;
  {
    const nb::gil_scoped_release others_may_run;
    const Problem<double> problem = c.problem();
    if (operands.dout) check(problem, operands.cotangents());
    found = laws({problem, claims.view("out"), claims.view("lse"), claims.view("dq"), claims.view("dk"),
                  claims.view("dv"), operands.cotangents()},
                 declared(c, claims, operands.cotangents(), implementation),
                 sample_rows(problem.Q.shape.S, rows, Layout::contiguous, 1, seed));
  }
  return nb::make_tuple(cli::text_of(found), found);
}

}  // namespace

void bind_check(nb::module_& m) {
  nb::class_<Law>(m, "Law", "A law that right results obey whatever the inputs are.")
      .def_ro("id", &Law::id)
      .def_ro("statement", &Law::statement)
      .def_ro("meaning", &Law::meaning, "of its breaking")
      .def_ro("ratio", &Law::ratio, "the largest |left - right| in the allowance of its own terms")
      .def_ro("left", &Law::left)
      .def_ro("right", &Law::right)
      .def_prop_ro("holds", &Law::holds)
      .def("__repr__", [](const Law& law) {
        return "<law " + law.id + (law.holds() ? " holds: " : " BROKEN: ") + law.statement + ">";
      });
  m.def("check", &check_case, "case"_a, "claims"_a, nb::kw_only(), "dout"_a.none(), "dlse"_a.none(),
        "implementation"_a.none(), "devices"_a, "layout"_a, "rows"_a, "seed"_a, "blind_spots"_a,
        "(text, JSON, ratio of each row by tensor, judged rows, judged keys)");
  m.def("laws", &laws_of, "case"_a, "claims"_a, nb::kw_only(), "dout"_a.none(), "dlse"_a.none(),
        "implementation"_a.none(), "rows"_a, "seed"_a, "(text, the laws)");
}

}  // namespace ringattn::python
