#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "reference/comm/link.h"

namespace ringattn {

// The unit of communication between processes: a short header, and a payload of any number of memory regions. It
// travels as one MPI message for the header and one for each region.
struct Packet {
  std::vector<std::int64_t> header;
  std::vector<std::span<const std::byte>> payload;
  std::shared_ptr<const void> keep_alive;  // owns the payload until it is sent
};

// The kinds of packets: the messages of each channel, the credits for them, and texts. Packets with the same tag from one
// process to another arrive in the order in which they were sent.
enum class MessageTag : int {};
constexpr MessageTag message_tag(Channel channel) { return MessageTag{static_cast<int>(channel)}; }
constexpr MessageTag credit_tag(Channel channel) {
  return MessageTag{channel_count + static_cast<int>(channel)};
}
constexpr MessageTag text_tag{2 * channel_count};

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
