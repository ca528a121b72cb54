#include "reference/cli/memory/memory_presets.h"

#include <fmt/ranges.h>

#include "reference/definition/input/bad_input.h"

namespace ringattn::cli {

std::vector<NamedMemory> preset_memories(Index budget, Index D, Index Dv, const MemoryOptions& settings) {
  constexpr Index sinks = 4;  // as in StreamingLLM
  const Index pool = settings.kernel.size(), linear = (D * Dv + D + D + Dv - 1) / (D + Dv);
  std::vector<NamedMemory> memories;
  // The window gets what the other parts leave of the budget
  const auto add = [&](const char* name, MemoryOptions options, Index others) {
    options.window = budget - others;
    require(options.window >= 1,
            "[memory] the budget must be larger than the other parts of each memory; found ", budget,
            " slots, of which ", name, " needs ", others, "; choose a larger --budget or a smaller --pool");
    memories.push_back({name, options});
  };
  const auto with = [&](Index first, Index heavy_hitters, Index pooled_slots) {
    MemoryOptions options = settings;
    options.sinks = first, options.heavy_hitters = heavy_hitters, options.pooled_slots = pooled_slots;
    return options;
  };
  MemoryOptions with_linear = settings;
  with_linear.linear = true;
  add("window", settings, 0);
  add("sinks", with(sinks, 0, 0), sinks);
  add("heavy hitters", with(0, budget / 2, 0), budget / 2);
  add("compressed", with(0, 0, budget / 2), budget / 2 + pool);
  add("linear", with_linear, linear);
  add("combined", with(sinks, budget / 4, budget / 4), sinks + budget / 4 * 2 + pool);
  return memories;
}

std::string description(const MemoryOptions& o) {
  std::vector<std::string> parts;
  if (o.sinks > 0) parts.push_back(fmt::format("{} first", o.sinks));
  parts.push_back(fmt::format("{} recent", o.window));
  if (o.heavy_hitters > 0) parts.push_back(fmt::format("{} heavy hitters", o.heavy_hitters));
  if (o.pooled_slots > 0) parts.push_back(fmt::format("{} x {} pooled", o.pooled_slots, o.kernel.size()));
  if (o.linear) parts.push_back(fmt::format("linear memory (gate {:g})", o.gate));
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace ringattn::cli
