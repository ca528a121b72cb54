#include "visualizer/session/machine_parameters.h"

#include <cstdio>

#include "visualizer/session/choices.h"

namespace ringattn::viz {

namespace {

const std::vector<double> token_choices = {64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
const std::vector<double> gbytes_choices = {6.25, 12.5, 25, 50, 112, 186, 268, 300, 450, 900};
const std::vector<double> tflops_choices = {62, 123, 196, 275, 312, 500, 750, 989, 2000};

// The index of the machine with this speed and this link; -1: none
int machine_of(const RingStep& step) {
  for (std::size_t i = 0; i < machines().size(); ++i)
    if (machines()[i].tflops == step.tflops && machines()[i].gbytes == step.gbytes)
      return static_cast<int>(i);
  return -1;
}

void next_machine(RunConfig& c, int by) {
  const auto count = static_cast<int>(machines().size());
  const int here = machine_of(c.machine), next = here < 0 ? 0 : (here + by + count) % count;
  const Machine& machine = machines()[static_cast<std::size_t>(next)];
  c.machine.tflops = machine.tflops, c.machine.gbytes = machine.gbytes;
}

std::string with_unit(double x, const char* unit) {
  char text[48];
  std::snprintf(text, sizeof text, "%g %s", x, unit);
  return text;
}

}  // namespace

const std::vector<Parameter>& machine_parameters() {
  static const std::vector<Parameter> table = {
      {"machine", "machine",
       [](const RunConfig& c) {
         const int here = machine_of(c.machine);
         return std::string(here < 0 ? "none of table 2" : machines()[static_cast<std::size_t>(here)].name);
       },
       next_machine},
      {"block_tokens", "tokens on each device, c",
       [](const RunConfig& c) { return with_unit(c.machine.tokens, "tokens"); },
       [](RunConfig& c, int by) { c.machine.tokens = next_of(token_choices, c.machine.tokens, by); },
       [](const RunConfig& c) { return place_of(token_choices, c.machine.tokens); },
       [](RunConfig& c, double place) { c.machine.tokens = choice_at(token_choices, place); }},
      {"gbytes", "link, B", [](const RunConfig& c) { return with_unit(c.machine.gbytes, "GB/s"); },
       [](RunConfig& c, int by) { c.machine.gbytes = next_of(gbytes_choices, c.machine.gbytes, by); },
       [](const RunConfig& c) { return place_of(gbytes_choices, c.machine.gbytes); },
       [](RunConfig& c, double place) { c.machine.gbytes = choice_at(gbytes_choices, place); }},
      {"tflops", "arithmetic, F", [](const RunConfig& c) { return with_unit(c.machine.tflops, "TFLOP/s"); },
       [](RunConfig& c, int by) { c.machine.tflops = next_of(tflops_choices, c.machine.tflops, by); },
       [](const RunConfig& c) { return place_of(tflops_choices, c.machine.tflops); },
       [](RunConfig& c, double place) { c.machine.tflops = choice_at(tflops_choices, place); }},
  };
  return table;
}

}  // namespace ringattn::viz
