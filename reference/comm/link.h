#pragma once

#include "reference/comm/block.h"
#include "reference/trace/recorder.h"

namespace ringattn {

// Two kinds of messages follow one another round the ring: blocks go ahead as soon as they have arrived, and
// the partial results that devices make for them follow behind.
enum class Channel { blocks, results };

template <class T>
struct Message {
  Block<T> block;
  MessageTiming timing;
};

// How devices reach their neighbours. Each device has one incoming slot a channel; nothing is put into a full
// slot, so memory stays bounded. Verbs that wait throw when the run is stopped, because another device
// failed, say.
template <class T>
class Link {
 public:
  virtual ~Link() = default;

  // Waits until the slot of the device after _device_ is empty; returns the virtual time at which it was
  // emptied
  virtual double reserve(int device, Channel channel) = 0;

  // Puts a message into that slot; only after reserve
  virtual void send(int device, Channel channel, const Message<T>& message) = 0;

  // Waits for a message in the slot of _device_ and exchanges it for what _held_ holds. The slot is empty
  // then, in virtual time since the message had arrived and the device was there, at _now_
  virtual void receive(int device, Channel channel, Message<T>& held, double now) = 0;
};

}  // namespace ringattn
