#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "reference/planner/plan_options.h"
#include "reference/planner/report/plan_report.h"
#include "reference/python/interruptible.h"
#include "reference/python/problem_arrays.h"

namespace ringattn::python {

namespace {

// The plan as JSON text. A ring of a thousand devices takes up to a minute
std::string plan_json(const planner::PlanOptions& options) {
  return interruptible([&] { return to_json(planner::make_plan(options.request())).dump(); });
}

}  // namespace

void bind_plan(nb::module_& m) {
  using Options = planner::PlanOptions;
  nb::class_<Options>(m, "PlanOptions",
                      "What is to be planned: presets by name, and figures that override them.")
      .def(nb::init<>())
      .def_rw("model", &Options::model)
      .def_rw("layers", &Options::layers)
      .def_rw("width", &Options::width)
      .def_rw("ffn", &Options::ffn)
      .def_rw("ffn_matrices", &Options::ffn_matrices)
      .def_rw("heads", &Options::heads)
      .def_rw("kv_heads", &Options::kv_heads)
      .def_rw("dim", &Options::dim)
      .def_rw("vocabulary", &Options::vocabulary)
      .def_rw("positions", &Options::positions)
      .def_rw("seq", &Options::seq)
      .def_rw("new_tokens", &Options::new_tokens)
      .def_rw("batch", &Options::batch)
      .def_rw("causal", &Options::causal)
      .def_rw("training", &Options::training)
      .def_rw("chunked_loss", &Options::chunked_loss)
      .def_rw("dtype", &Options::dtype)
      .def_rw("weight_bytes", &Options::weight_bytes)
      .def_rw("nodes", &Options::nodes)
      .def_rw("devices_per_node", &Options::devices_per_node)
      .def_rw("tensor_parallel", &Options::tensor_parallel)
      .def_rw("fsdp", &Options::fsdp)
      .def_rw("chip", &Options::chip)
      .def_rw("link", &Options::link)
      .def_rw("node_link", &Options::node_link)
      .def_rw("chip_tflops", &Options::chip_tflops)
      .def_rw("chip_memory_gib", &Options::chip_memory_gib)
      .def_rw("chip_watts", &Options::chip_watts)
      .def_rw("link_latency_us", &Options::link_latency_us)
      .def_rw("node_link_latency_us", &Options::node_link_latency_us)
      .def_rw("strategy", &Options::strategy)
      .def_rw("layout", &Options::layout)
      .def_rw("ulysses", &Options::ulysses)
      .def_rw("overlap", &Options::overlap)
      .def_rw("chip_efficiency", &Options::chip_efficiency)
      .def_rw("link_efficiency", &Options::link_efficiency)
      .def_rw("waiting_share", &Options::waiting_share)
      .def_rw("pue", &Options::pue);
  m.def("plan", &plan_json, nb::arg("options"), "the plan as JSON text");
  m.def(
      "plan_presets", [] { return planner::presets_json().dump(); }, "models, chips and links as JSON text");
}

}  // namespace ringattn::python
