#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// What carries messages between GPUs, NCCL. Here it has one process, which sends to itself: the very calls,
// groups and streams of a ring of many GPUs, for checks on one.
class Communicator {
 public:
  // Whether the program was built with NCCL
  static bool is_there();

  // Throws BadInput where it was not, GpuError where NCCL fails
  Communicator();
  ~Communicator();
  Communicator(const Communicator&) = delete;

  // Memory that travels, and where to
  struct Parcel {
    const void* from;
    void* to;
    std::size_t bytes;
  };

  // On the stream, all parcels as one group: a send that waits for its receive to be asked for would never
  // end
  void pass(std::span<const Parcel> parcels, Stream& stream);

  // Throws GpuError where something went wrong since, on its way
  void check_on_the_way();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringattn::gpu
