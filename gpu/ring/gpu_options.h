#pragma once

#include "gpu/transport/peer_group.h"
#include "reference/comm/transport.h"
#include "reference/ring/ring_options.h"

namespace ringattn::gpu {

// How attention is spread: over virtual devices that share one GPU, or over processes with one GPU each.
struct GpuOptions : RingOptions {
  Communicator* communicator =
      nullptr;  // carries messages between virtual devices; null: cudaMemcpyAsync does
  PeerGroup* peers =
      nullptr;  // this process is one device, and these are the others; null: all devices are in this process

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
