#pragma once

#include "gpu/runtime/communicator.h"
#include "reference/comm/mpi/mpi_link.h"

namespace ringattn::gpu {

// What a process with a GPU of its own has in common with those beside it, for all passes of a run: letters
// say what is on its way, and NCCL carries the numbers.
struct PeerGroup {
  // All processes of the post at once
  explicit PeerGroup(MpiCommunicator& mpi_communicator);

  MpiCommunicator& mpi;
  Communicator communicator;
  MpiLink<float> metadata;  // about blocks, whose tensors are not in them
};

// Gives this process one of the GPUs of its machine. Throws BadInput where there are fewer than processes, or
// the program was built without NCCL
void assign_device(const MpiCommunicator& mpi);

}  // namespace ringattn::gpu
