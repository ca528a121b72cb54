#pragma once

#include "gpu/runtime/communicator.h"
#include "reference/transport/ring_options.h"

namespace ringattn::gpu {

// How attention is spread over the virtual devices of one GPU, and what carries their messages where they are
// copied: the copy engine, or NCCL.
struct GpuOptions : RingOptions {
  Communicator* communicator = nullptr;

  GpuOptions(const RingOptions& options = {}, Communicator* carrier = nullptr)
      : RingOptions(options), communicator(carrier) {}
};

}  // namespace ringattn::gpu
