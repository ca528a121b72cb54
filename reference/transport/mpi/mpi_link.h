#pragma once

#include <array>

#include "reference/ring/link.h"
#include "reference/transport/mpi/post.h"

namespace ringattn {

// The links of the device that lives in this process: its own incoming slot, and what it knows of the slot of
// the next device, in the next process. Who empties a slot says so to the one that fills it.
template <class T>
class MpiLink : public Link<T> {
 public:
  explicit MpiLink(Post& post);
  ~MpiLink() override;

  // From now on messages belong to the next pass round the ring
  void begin_pass() { ++pass_; }

  double reserve(int device, Lane lane) override;
  void send(int device, Lane lane, const Message<T>& message) override;
  void receive(int device, Lane lane, Message<T>& held, double now) override;

 private:
  // The incoming slot of this device
  class Slot : public Mailbox {
   public:
    explicit Slot(Post& post) : post_(post) {}
    Room room_for(std::span<const std::int64_t> head) override;
    void arrived() override;

    Message<T> message;
    bool full = false;

   private:
    Post& post_;
  };

  // Whether there is room in the slot of the next device
  class NextSlot : public Mailbox {
   public:
    explicit NextSlot(Post& post) : post_(post) {}
    Room room_for(std::span<const std::int64_t> head) override;
    void arrived() override;

    bool empty = true;
    std::int64_t pass = 0;   // in which it was emptied
    double empty_since = 0;  // virtual nanoseconds

   private:
    Post& post_;
  };

  void expect_message(Lane lane);

  Post& post_;
  std::array<Slot, 2> slots_;  // by lane
  std::array<NextSlot, 2> next_slots_;
  std::int64_t pass_ = 0;
};

}  // namespace ringattn
