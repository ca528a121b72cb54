#include "gpu/kernels/ladder.h"

namespace ringattn::gpu {

std::span<const Rung> ladder() {
  static const Rung rungs[] = {
      {1, "naive", naive_unsupported_reason, launch_naive},
      {2, "tiled", tiled_unsupported_reason, launch_tiled},
      {3, "tensor cores", tensor_cores_unsupported_reason, launch_tensor_cores},
      {4, "hopper", hopper_unsupported_reason, launch_hopper},
      {5, "specialised", specialised_unsupported_reason, launch_specialised},
      {6, "overlapped", overlapped_unsupported_reason, launch_overlapped},
      {7, "persistent", persistent_unsupported_reason, launch_persistent},
  };
  return rungs;
}

const Rung& highest_rung(const AttentionStep& step, int at_most) {
  return highest_rung_of(ladder(), step, at_most, false);
}

}  // namespace ringattn::gpu
