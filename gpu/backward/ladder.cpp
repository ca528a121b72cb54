#include "gpu/backward/ladder.h"

namespace ringattn::gpu {

std::span<const BackwardRung> backward_ladder() {
  static const BackwardRung rungs[] = {
      {1, "naive", naive_backward_unsupported_reason, launch_naive_backward},
      {2, "two kernels", two_kernels_unsupported_reason, launch_two_kernels},
      {3, "fused", fused_unsupported_reason, launch_fused, false},
  };
  return rungs;
}

const BackwardRung& highest_rung(const BackwardStep& step, int at_most, bool deterministic) {
  return highest_rung_of(backward_ladder(), step, at_most, deterministic);
}

}  // namespace ringattn::gpu
