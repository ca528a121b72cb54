#include "reference/blockwise/kernels/tile_kernels.h"

#include <vector>

namespace ringattn {

std::span<const ProcessorLevel> processor_levels() {
  static const std::vector<ProcessorLevel> levels = [] {
    std::vector<ProcessorLevel> supported{baseline};
#ifdef RINGATTN_X86_64
    // The instructions of the levels x86-64-v3 and v4
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi2"),
               v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (v3) supported.push_back(avx2);
    if (v4) supported.push_back(avx512);
#endif
    return supported;
  }();
  return levels;
}

}  // namespace ringattn
