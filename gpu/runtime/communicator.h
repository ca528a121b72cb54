#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// What carries messages between GPUs: NCCL. Each process has one GPU and a rank; it sends to the next rank
// and receives from the one before. Who is alone sends to itself: the very calls, groups and streams of a
// ring of many GPUs, for checks on one.
class Communicator {
 public:
  // As many processors of the GPU as it may take from the arithmetic beside which it works
  static constexpr int max_ctas = 4;

  // Whether the program was built with NCCL; the other one throws BadInput if it was not
  static bool is_available();
  static void require_available();

  // Of a process that is alone. Throws BadInput where there is no NCCL, GpuError where it fails
  Communicator();

  // Of all processes to whom one of them gave its new_id(). While this one waits, here and later, it looks
  // round, and what that throws ends the wait
  static std::string new_id();
  Communicator(const std::string& id, int rank, int ranks, std::function<void()> poll_failures);

  ~Communicator();
  Communicator(const Communicator&) = delete;

  // Memory that goes to the next rank, and where what comes from the one before goes
  struct Transfer {
    const void* from;
    std::size_t sent_bytes;
    void* to;
    std::size_t received_bytes;
  };

  // On the stream, all transfers as one group: all ranks send at once, and a send that waits for its receive to
  // be asked for would never end
  void exchange(std::span<const Transfer> transfers, Stream& stream);

  // Waits until the stream has done everything. Throws GpuError where something went wrong on the way
  void wait_for(Stream& stream);

  // Ends whatever is under way: a stream may wait for somebody who is gone. Nothing can be sent afterwards
  void abort();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringattn::gpu
