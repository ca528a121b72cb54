#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ringattn {

// What processes send one another: a few numbers that say what it is, and pieces of memory.
struct Letter {
  std::vector<std::int64_t> head;
  std::vector<std::span<const std::byte>> pieces;
  std::shared_ptr<const void> keep;  // holds that memory until it is sent
};

// What a letter is about. Those of one kind, from one process to another, arrive in the order in which they
// were sent.
enum class Topic { ahead, behind, room_ahead, room_behind, text };

// Where a letter goes to. The post calls it, on a thread of its own.
class Mailbox {
 public:
  virtual ~Mailbox() = default;

  // Where the pieces of a letter are to be written
  struct Room {
    std::vector<std::span<std::byte>> pieces;
    std::shared_ptr<void> keep;  // holds that memory until it is written
  };
  virtual Room room_for(std::span<const std::int64_t> head) = 0;

  // The letter for which there was room has arrived
  virtual void arrived() = 0;
};

}  // namespace ringattn
