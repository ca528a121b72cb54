#include "gpu/transport/peer_group.h"

#include <cstdlib>

#include "gpu/runtime/device.h"
#include "reference/definition/input/bad_input.h"

namespace ringattn::gpu {

PeerGroup::PeerGroup(MpiCommunicator& mpi_communicator)
    : mpi(mpi_communicator),
      communicator(mpi.broadcast(mpi.rank() == 0 ? Communicator::new_id() : ""), mpi.rank(), mpi.ranks(),
                   [&mpi_communicator] { mpi_communicator.monitor().rethrow_first_error(); }),
      metadata(mpi) {}

// NCCL lets processes share a GPU if they appear to run on different machines: slow, but enough for tests
void assign_device(const MpiCommunicator& mpi) {
  Communicator::require_available();
  const int devices = device_count();
  require(
      mpi.local_ranks() <= devices || std::getenv("NCCL_HOSTID"),
      "[nccl] each process needs a GPU of its own; found ", mpi.local_ranks(), " processes and ", devices,
      devices == 1 ? " CUDA device" : " CUDA devices",
      " on one machine; start fewer processes or, to check NCCL and not to use it, give each process another "
      "NCCL_HOSTID");
  set_device(mpi.local_rank() % devices);
}

}  // namespace ringattn::gpu
