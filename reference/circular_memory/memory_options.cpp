#include "reference/circular_memory/memory_options.h"

#include "reference/definition/input/bad_input.h"

namespace ringattn {

void check(const MemoryOptions& o) {
  constexpr Index largest = Index{1} << 30;
  const std::pair<const char*, Index> sizes[] = {
      {"sinks", o.sinks}, {"heavy_hitters", o.heavy_hitters}, {"pooled_slots", o.pooled_slots}};
  for (const auto& [name, size] : sizes)
    require(0 <= size && size <= largest, "[circular memory] ", name, " must be from 0 to 2^30; found ", size,
            "; choose another size");
  require(1 <= o.window && o.window <= largest,
          "[circular memory] the window must hold from 1 to 2^30 tokens; found ", o.window,
          "; a window of 1 holds the token itself");
  require(o.kernel.size() >= 1 && o.kernel.allFinite(),
          "[circular memory] the kernel must have at least one weight, all finite; found ", o.kernel.size(),
          " weights; use mean_kernel(n)");
  require(0 <= o.gate && o.gate <= 1, "[circular memory] the gate must be from 0 to 1; found ", o.gate,
          "; 0 ignores the linear memory, 1 ignores the slots");
}

}  // namespace ringattn
