#pragma once

#include <vector>

#include "gpu/ring/gpu_tensor.h"
#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// The messages of one lane, and the stream of the arithmetic that writes and reads them.
struct Traffic {
  Stream& stream;
  std::vector<GpuBlock> spare;  // where blocks are copied: for each device here one into which any would fit
};

}  // namespace ringattn::gpu
