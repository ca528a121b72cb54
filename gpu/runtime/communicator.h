#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// A ring of NCCL ranks, one GPU each: a rank sends to the next one and receives from the one before. A single rank
// sends to itself, with the same calls, groups and streams as a ring of many GPUs, for tests on one GPU.
class Communicator {
 public:
  // SMs that NCCL may take from the kernels that run beside it
  static constexpr int max_ctas = 4;

  // True if the program was built with NCCL; require_available throws BadInput if it was not
  static bool is_available();
  static void require_available();

  // A single rank. Throws BadInput without NCCL, GpuError if NCCL fails
  Communicator();

  // One of several ranks, all of which got the new_id() of one of them. While it waits, here and later, it calls
  // _poll_failures_, whose exception ends the wait
  static std::string new_id();
  Communicator(const std::string& id, int rank, int ranks, std::function<void()> poll_failures);

  ~Communicator();
  Communicator(const Communicator&) = delete;

  // A buffer to send to the next rank, and one to receive into from the previous rank
  struct Transfer {
    const void* from;
    std::size_t sent_bytes;
    void* to;
    std::size_t received_bytes;
  };

  // Enqueues all transfers as one group: all ranks send at the same time, so a send that blocks until its receive is
  // posted would deadlock
  void exchange(std::span<const Transfer> transfers, Stream& stream);

  // Waits until the stream has finished. Throws GpuError if a transfer failed
  void wait_for(Stream& stream);

  // Stops all transfers: a stream may be waiting for a process that has died. Nothing can be sent afterwards
  void abort();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringattn::gpu
