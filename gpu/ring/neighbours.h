#pragma once

#include "gpu/runtime/communicator.h"
#include "reference/transport/mpi/mpi_link.h"

namespace ringattn::gpu {

// What a process with a GPU of its own has in common with those beside it, for all passes of a run: letters
// say what is on its way, and NCCL carries the numbers.
struct Neighbours {
  // All processes of the post at once
  explicit Neighbours(Post& office);

  Post& post;
  Communicator communicator;
  MpiLink<float> letters;  // about blocks, whose tensors are not in them
};

// Gives this process one of the GPUs of its machine. Throws BadInput where there are fewer than processes, or
// the program was built without NCCL
void take_device(const Post& post);

}  // namespace ringattn::gpu
