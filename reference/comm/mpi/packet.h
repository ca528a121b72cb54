#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ringattn {

// What processes send one another: a few numbers that say what it is, and pieces of memory.
struct Packet {
  std::vector<std::int64_t> header;
  std::vector<std::span<const std::byte>> payload;
  std::shared_ptr<const void> keep_alive;  // holds that memory until it is sent
};

// What a packet is about. Those of one kind, from one process to another, arrive in the order in which they
// were sent.
enum class MessageTag { blocks, results, block_credits, result_credits, text };

// Where a packet goes to. The post calls it, on a thread of its own.
class ReceiveHandler {
 public:
  virtual ~ReceiveHandler() = default;

  // Where the pieces of a packet are to be written
  struct Buffers {
    std::vector<std::span<std::byte>> spans;
    std::shared_ptr<void> keep_alive;  // holds that memory until it is written
  };
  virtual Buffers buffers_for(std::span<const std::int64_t> header) = 0;

  // The packet for which there was room has arrived
  virtual void on_received() = 0;
};

}  // namespace ringattn
