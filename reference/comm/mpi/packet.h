#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ringattn {

// The unit of communication between processes: a short header, and a payload of any number of memory regions. It
// travels as one MPI message for the header and one for each region.
struct Packet {
  std::vector<std::int64_t> header;
  std::vector<std::span<const std::byte>> payload;
  std::shared_ptr<const void> keep_alive;  // owns the payload until it is sent
};

// The kinds of packets. Packets with the same tag from one process to another arrive in the order in which they were
// sent.
enum class MessageTag { blocks, results, block_credits, result_credits, text };

// Receives one packet. The progress thread calls it: first buffers_for with the header, then, when the payload has
// arrived in these buffers, on_received.
class ReceiveHandler {
 public:
  virtual ~ReceiveHandler() = default;

  // The memory for the payload, one span for each region of the packet
  struct Buffers {
    std::vector<std::span<std::byte>> spans;
    std::shared_ptr<void> keep_alive;  // owns that memory until it is written
  };
  virtual Buffers buffers_for(std::span<const std::int64_t> header) = 0;

  virtual void on_received() = 0;
};

}  // namespace ringattn
