#include "gpu/backward/ladder.h"

namespace ringattn::gpu {

std::span<const BackwardRung> backward_ladder() {
  static const BackwardRung rungs[] = {
      {1, "naive", true, naive_backward_unsupported_reason, launch_naive_backward},
      {2, "two kernels", true, two_kernels_unsupported_reason, launch_two_kernels},
      {3, "fused", false, fused_unsupported_reason, launch_fused},
  };
  return rungs;
}

const BackwardRung& highest_rung(const BackwardStep& step, int at_most, bool deterministic) {
  const BackwardRung* highest = &backward_ladder().front();
  for (const BackwardRung& rung : backward_ladder())
    if (rung.number <= at_most && (rung.deterministic || !deterministic) && rung.unsupported_reason(step).empty())
      highest = &rung;
  return *highest;
}

}  // namespace ringattn::gpu
