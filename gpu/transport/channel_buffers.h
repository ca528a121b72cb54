#pragma once

#include <vector>

#include "gpu/runtime/communicator.h"
#include "gpu/tensor/gpu_tensor.h"

namespace ringattn::gpu {

// The receive buffers of one channel, and the stream whose kernels read and write its messages.
struct ChannelBuffers {
  Stream& stream;
  std::vector<GpuBlock>
      spare;  // if messages are copied: one for each local device, with room for the largest block
};

// The buffers of the block that is sent, and of the one that is received
inline std::vector<Communicator::Transfer> transfers(const GpuBlock& leaves, GpuBlock& comes) {
  std::vector<Communicator::Transfer> transfers;
  for (std::size_t i = 0; i < leaves.tensors.size(); ++i)
    transfers.push_back({leaves[i].data(), static_cast<std::size_t>(leaves[i].bytes()),
                         comes.tensors[i]->data(), static_cast<std::size_t>(comes[i].bytes())});
  return transfers;
}

}  // namespace ringattn::gpu
