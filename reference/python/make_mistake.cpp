// Binds the simulation of a mistake of the catalogue.

#include "reference/oracle/make_mistake.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "reference/definition/input/bad_input.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/python/interruptible.h"
#include "reference/python/parse_arguments.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

// The variants of a mistake as dicts of their parameters
std::vector<nb::dict> to_python(const Variants& variants) {
  std::vector<nb::dict> all;
  for (const Variant& variant : variants) {
    nb::dict parameters;
    for (const Parameter& parameter : variant.parameters())
      parameters[parameter.name.c_str()] = parameter.text;
    all.push_back(parameters);
  }
  return all;
}

std::vector<nb::dict> variants_of(const std::string& id, const ProblemArrays& inputs, Index devices,
                                  const std::string& layout) {
  reject_pair_terms("make_mistake", inputs);
  const int count = parse_devices(devices);
  const Layout parsed = parse_layout(layout);
  const Variants variants =
      interruptible([&] { return variants_on(mistake_of_id(id), inputs.problem(), parsed, count); });
  return to_python(variants);
}

nb::dict results_of(const std::string& id, const ProblemArrays& inputs, Index devices,
                    const std::string& layout, Index number, nb::handle dout, nb::handle dlse) {
  // Arguments
  reject_pair_terms("make_mistake", inputs);
  const CotangentOperands operands(dout, dlse, inputs);
  const int count = parse_devices(devices);
  const Layout parsed = parse_layout(layout);

  MistakenResults results = interruptible([&] {
    const Problem<double> problem = inputs.problem();
    if (operands.dout) check(problem, operands.cotangents());
    const Mistake& mistake = mistake_of_id(id);
    const Variants variants = variants_on(mistake, problem, parsed, count);
    require(!variants.empty(), "[make_mistake] ", id, " cannot occur on this problem; found ", count,
            " devices and the layout ", layout, "; choose another mask, layout or number of devices");
    require(0 <= number && number < static_cast<Index>(variants.size()), "[make_mistake] ", id,
            " has the variants 0 to ", variants.size() - 1, " on this problem; found ", number,
            "; list them with ringattn.variants");
    return make_mistake(mistake, variants[static_cast<std::size_t>(number)], problem, operands.cotangents(),
                        parsed, count);
  });

  nb::dict d;
  d["out"] = result_to_numpy(std::move(results.wrong.out), inputs);
  d["lse"] = lse_to_numpy(std::move(results.wrong.lse), inputs);
  if (results.wrong_gradients) {
    d["dq"] = result_to_numpy(std::move(results.wrong_gradients->dq), inputs);
    d["dk"] = result_to_numpy(std::move(results.wrong_gradients->dk), inputs, RowsOf::keys);
    d["dv"] = result_to_numpy(std::move(results.wrong_gradients->dv), inputs, RowsOf::keys);
  }
  return d;
}

}  // namespace

void bind_make_mistake(nb::module_& m) {
  m.def("variants", &variants_of, "id"_a, "inputs"_a, nb::kw_only(), "devices"_a, "layout"_a,
        "the variants of a mistake on a problem, as dicts of parameters");
  m.def("make_mistake", &results_of, "id"_a, "inputs"_a, nb::kw_only(), "devices"_a, "layout"_a, "variant"_a,
        "dout"_a.none(), "dlse"_a.none(), "out, lse and perhaps dq, dk, dv of a program with that mistake");
}

}  // namespace ringattn::python
