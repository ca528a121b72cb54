#pragma once

#include <vector>

#include "gpu/tensor/gpu_tensor.h"
#include "gpu/runtime/communicator.h"

namespace ringattn::gpu {

// The messages of one lane, and the stream of the arithmetic that writes and reads them.
struct ChannelBuffers {
  Stream& stream;
  std::vector<GpuBlock> spare;  // where blocks are copied: for each device here one into which any would fit
};

// The memory of the block that leaves, and of the one into which another comes
inline std::vector<Communicator::Transfer> transfers(const GpuBlock& leaves, GpuBlock& comes) {
  std::vector<Communicator::Transfer> transfers;
  for (std::size_t i = 0; i < leaves.tensors.size(); ++i)
    transfers.push_back({leaves[i].data(), static_cast<std::size_t>(leaves[i].bytes()),
                       comes.tensors[i]->data(), static_cast<std::size_t>(comes[i].bytes())});
  return transfers;
}

}  // namespace ringattn::gpu
