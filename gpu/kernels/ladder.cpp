#include "gpu/kernels/ladder.h"

namespace ringattn::gpu {

std::span<const Rung> ladder() {
  static const Rung rungs[] = {
      {1, "naive", naive_refuses, launch_naive},
      {2, "tiled", tiled_refuses, launch_tiled},
      {3, "tensor cores", tensor_cores_refuses, launch_tensor_cores},
      {4, "hopper", hopper_refuses, launch_hopper},
      {5, "specialised", specialised_refuses, launch_specialised},
      {6, "overlapped", overlapped_refuses, launch_overlapped},
      {7, "persistent", persistent_refuses, launch_persistent},
  };
  return rungs;
}

const Rung& highest_rung(const AttentionStep& step, int at_most) {
  const Rung* highest = &ladder().front();
  for (const Rung& rung : ladder())
    if (rung.number <= at_most && rung.refuses(step).empty()) highest = &rung;
  return *highest;
}

}  // namespace ringattn::gpu
