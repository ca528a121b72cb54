#pragma once

#include "gpu/runtime/communicator.h"
#include "reference/comm/mpi/mpi_link.h"

namespace ringattn::gpu {

// The connections of a process with its own GPU to the other processes, for all passes of a run: MPI packets announce
// messages, and NCCL carries the tensors.
struct PeerGroup {
  // Collective: all processes of the communicator construct it together
  explicit PeerGroup(MpiCommunicator& mpi_communicator);

  MpiCommunicator& mpi;
  Communicator communicator;
  MpiLink<float> metadata;  // of blocks, without tensors
};

// Assigns this process one of the GPUs of its machine. Throws BadInput if there are fewer GPUs than processes, or the
// program was built without NCCL
void assign_device(const MpiCommunicator& mpi);

}  // namespace ringattn::gpu
