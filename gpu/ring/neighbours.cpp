#include "gpu/ring/neighbours.h"

#include <cstdlib>

#include "gpu/runtime/device.h"
#include "reference/definition/bad_input.h"

namespace ringattn::gpu {

Neighbours::Neighbours(Post& office)
    : post(office),
      communicator(post.from_first(post.rank() == 0 ? Communicator::new_id() : ""), post.rank(), post.ranks(),
                   [&office] { office.room().rethrow_first_error(); }),
      letters(post) {}

// NCCL lets processes share a GPU that seem to run on different machines: slow, but enough for checks
void take_device(const Post& post) {
  Communicator::require_there();
  const int devices = devices_here();
  require(
      post.ranks_on_machine() <= devices || std::getenv("NCCL_HOSTID"),
      "[nccl] each process needs a GPU of its own; found ", post.ranks_on_machine(), " processes and ",
      devices, devices == 1 ? " CUDA device" : " CUDA devices",
      " on one machine; start fewer processes or, to check NCCL and not to use it, give each process another "
      "NCCL_HOSTID");
  use_device(post.rank_on_machine() % devices);
}

}  // namespace ringattn::gpu
