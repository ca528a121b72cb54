#include "visualizer/session/parameters.h"

#include <algorithm>
#include <cstdio>

#include "reference/definition/input/bad_input.h"
#include "reference/faults/fault.h"
#include "visualizer/run/hop_ratio.h"
#include "visualizer/session/choices.h"
#include "visualizer/session/machine_parameters.h"
#include "visualizer/session/sequence_parameters.h"

namespace ringattn::viz {

namespace {

// The next or previous name, cyclically
std::string next_name(const std::vector<std::string>& names, const std::string& now, int direction) {
  const auto here = static_cast<int>(std::find(names.begin(), names.end(), now) - names.begin());
  const auto count = static_cast<int>(names.size());
  return names[static_cast<std::size_t>((here + direction + count) % count)];
}

// The number of words, if there is a text
Index tokens_of(const RunConfig& c) {
  return c.text.empty() ? c.queries : static_cast<Index>(words_of(c).size());
}

std::string printed(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", x);
  return text;
}

// No fault, and all faults
std::vector<std::string> faults() {
  std::vector<std::string> names = fault_names();
  names.insert(names.begin(), "");
  return names;
}

bool fault_is_possible(const RunConfig& config) try {
  parse_fault(config.fault, config.devices, config.rotate);
  return true;
} catch (const BadInput&) {
  return false;
}

// Skips faults that have no effect in this run
void next_fault(RunConfig& c, int by) {
  do c.fault = next_name(faults(), c.fault, by);
  while (!fault_is_possible(c));
}

const std::vector<Parameter>& run_parameters() {
  static const std::vector<Parameter> table = {
      {"devices", "devices", [](const RunConfig& c) { return std::to_string(c.devices); },
       [](RunConfig& c, int by) { c.devices = std::clamp(c.devices + by, 1, 16); }},
      {"seq", "tokens", [](const RunConfig& c) { return std::to_string(tokens_of(c)); },
       [](RunConfig& c, int by) {
         c.queries = c.keys = next_of<Index>({4, 8, 12, 16, 24, 32, 48, 64}, tokens_of(c), by);
         c.text.clear();
       }},
      {"dim", "dimension", [](const RunConfig& c) { return std::to_string(c.dim); },
       [](RunConfig& c, int by) {
         c.dim = c.v_dim = next_of<Index>({1, 2, 4, 8, 16}, c.dim, by);
       }},
      {"mask", "mask",
       [](const RunConfig& c) {
         return std::string(!c.causal ? "none" : c.window_left < 0 ? "causal" : "window 5");
       },
       [](RunConfig& c, int by) {
         const int now = !c.causal ? 0 : c.window_left < 0 ? 1 : 2, next = (now + by + 3) % 3;
         c.causal = next > 0, c.window_left = next == 2 ? 5 : -1;
       }},
      {"layout", "layout", [](const RunConfig& c) { return std::string(name(c.layout)); },
       [](RunConfig& c, int by) { c.layout = parse_layout(next_name(layout_names(), name(c.layout), by)); }},
      {"rotate", "travels",
       [](const RunConfig& c) { return std::string(c.rotate == Rotation::kv ? "K V" : "Q"); },
       [](RunConfig& c, int) { c.rotate = c.rotate == Rotation::kv ? Rotation::q : Rotation::kv; }},
      {"hop", "hop in steps", [](const RunConfig& c) { return printed(hop_ratio(c)); },
       [](RunConfig& c, int by) {
         set_hop_ratio(c, next_of<double>({0, 0.1, 0.25, 0.5, 0.7, 1, 1.5, 2, 3}, hop_ratio(c), by));
       }},
      {"overlap", "sends", [](const RunConfig& c) { return std::string(c.overlap ? "first" : "last"); },
       [](RunConfig& c, int) { c.overlap = !c.overlap; }},
      {"backward", "backward", [](const RunConfig& c) { return std::string(c.backward ? "yes" : "no"); },
       [](RunConfig& c, int) { c.backward = !c.backward; }},
      {"dtype", "type", [](const RunConfig& c) { return c.dtype; },
       [](RunConfig& c, int) { c.dtype = c.dtype == "f64" ? "f32" : "f64"; }},
      {"score_scale", "scores \xc3\x97", [](const RunConfig& c) { return printed(c.score_scale); },
       [](RunConfig& c, int by) {
         c.score_scale = next_of<double>({0.1, 1, 3, 10, 100}, c.score_scale, by);
       }},
      {"seed", "seed", [](const RunConfig& c) { return std::to_string(c.seed); },
       [](RunConfig& c, int by) { c.seed = by > 0 ? c.seed + 1 : std::max<std::uint64_t>(c.seed, 2) - 1; }},
      {"fault", "fault", [](const RunConfig& c) { return c.fault.empty() ? "none" : c.fault; }, next_fault},
  };
  return table;
}

}  // namespace

const std::vector<Parameter>& parameters(std::string_view table) {
  static const std::vector<Parameter> none;
  if (table == "run") return run_parameters();
  if (table == "machine") return machine_parameters();
  return table == "sequence" ? sequence_parameters() : none;
}

}  // namespace ringattn::viz
