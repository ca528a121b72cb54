// Binds attention in a circular memory.

#include <nanobind/stl/string.h>

#include "reference/circular_memory/memory_report.h"
#include "reference/definition/error/row_sample.h"
#include "reference/definition/input/bad_input.h"
#include "reference/python/interruptible.h"
#include "reference/python/parse_arguments.h"

namespace ringattn::python {

namespace {

using namespace nb::literals;

constexpr Index compared_rows = 256, max_pool_width = 4096;

struct MemoryResult {
  Tensor<double> out;
  MemoryReport report;
};

nb::dict to_python(const TokenCounts& tokens) {
  nb::dict d;
  d["sinks"] = tokens.sinks, d["window"] = tokens.window, d["heavy_hitters"] = tokens.heavy_hitters;
  d["waiting"] = tokens.waiting, d["pooled"] = tokens.pooled, d["linear"] = tokens.linear;
  d["dropped"] = tokens.dropped;
  return d;
}

nb::dict circular_attention_of(const ProblemArrays& inputs, Index sinks, Index window, Index heavy_hitters,
                               Index pooled_slots, Index pool_width, bool linear, double gate) {
  reject_pair_terms("circular_attention", inputs);
  require(1 <= pool_width && pool_width <= max_pool_width, "[pool_width] a pooled slot holds from 1 to ",
          max_pool_width, " tokens; found ", pool_width, "; choose another number");
  MemoryOptions options;
  options.sinks = sinks, options.window = window, options.heavy_hitters = heavy_hitters;
  options.pooled_slots = pooled_slots, options.kernel = mean_kernel(pool_width);
  options.linear = linear, options.gate = gate;
  MemoryResult result = interruptible([&]() -> MemoryResult {
    const Problem<double> problem = inputs.problem();
    Tensor<double> out = circular_attention(problem, options);
    const std::vector<Index> rows = sample_rows(problem.Q.shape.S, compared_rows, Layout::contiguous, 1, 0);
    return {std::move(out), report_memory(problem, options, ExactRows(problem, rows))};
  });
  nb::dict d;
  d["out"] = to_numpy(std::move(result.out), inputs.axes);
  d["sentence"] = result.report.sentence();
  d["error"] = result.report.error;
  d["mass_kept"] = result.report.mass_kept, d["mass_pooled"] = result.report.mass_pooled;
  d["bytes"] = result.report.bytes, d["multiply_adds"] = result.report.multiply_adds;
  d["tokens"] = to_python(result.report.tokens);
  return d;
}

}  // namespace

void bind_circular_memory(nb::module_& m) {
  m.def("circular_attention", &circular_attention_of, "inputs"_a, nb::kw_only(), "sinks"_a, "window"_a,
        "heavy_hitters"_a, "pooled_slots"_a, "pool_width"_a, "linear"_a, "gate"_a,
        "a dict: out, and how it compares with exact attention");
}

}  // namespace ringattn::python
