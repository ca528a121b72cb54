#pragma once

#include "gpu/transport/peer_group.h"
#include "reference/ring/ring_options.h"
#include "reference/comm/transport.h"

namespace ringattn::gpu {

// How attention is spread over GPUs: over virtual devices that share one, or over processes with a GPU each.
struct GpuOptions : RingOptions {
  Communicator* communicator = nullptr;  // carries what virtual devices copy; null: the copy engine does
  PeerGroup* peers = nullptr;      // of this process, which is one device; null: all devices are here

  GpuOptions(const RingOptions& options = {}, Communicator* carrier = nullptr)
      : RingOptions(options), communicator(carrier) {}
  GpuOptions(const RingOptions& options, PeerGroup& others)
      : RingOptions(options), communicator(&others.communicator), peers(&others) {}

  DeviceRange local_devices() const {
    if (!peers) return {0, devices};
    const int rank = peers->mpi.rank();
    return {rank, rank + 1};
  }
};

}  // namespace ringattn::gpu
