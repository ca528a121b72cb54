#pragma once

#include "gpu/ring/neighbours.h"
#include "reference/transport/ring_options.h"
#include "reference/transport/transport.h"

namespace ringattn::gpu {

// How attention is spread over GPUs: over virtual devices that share one, or over processes with a GPU each.
struct GpuOptions : RingOptions {
  Communicator* communicator = nullptr;  // carries what virtual devices copy; null: the copy engine does
  Neighbours* neighbours = nullptr;      // of this process, which is one device; null: all devices are here

  GpuOptions(const RingOptions& options = {}, Communicator* carrier = nullptr)
      : RingOptions(options), communicator(carrier) {}
  GpuOptions(const RingOptions& options, Neighbours& others)
      : RingOptions(options), communicator(&others.communicator), neighbours(&others) {}

  DeviceRange here() const {
    if (!neighbours) return {0, devices};
    const int rank = neighbours->post.rank();
    return {rank, rank + 1};
  }
};

}  // namespace ringattn::gpu
