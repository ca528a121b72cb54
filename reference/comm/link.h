#pragma once

#include <compare>

#include "reference/comm/block.h"
#include "reference/trace/recorder.h"

namespace ringattn {

// The kinds of messages. Blocks are sent on as soon as they have arrived; the partial results that the devices compute
// for a block follow one step later. A second ring over the same devices, in the reverse direction, has its own two.
enum class Channel { blocks, results, reverse_blocks, reverse_results };
constexpr int channel_count = 4;

// A directed connection between two devices, for one kind of messages.
struct Route {
  int from = 0, to = 0;
  Channel channel = Channel::blocks;

  friend auto operator<=>(const Route&, const Route&) = default;
};

template <class T>
struct Message {
  Block<T> block;
  MessageTiming timing;
};

// The connections between the devices of a run. Every route has one slot, in the memory of its receiver, and a slot
// holds one message, so memory is bounded. A message takes three calls:
//
//   sender    reserve   waits until the slot of the route is empty
//   sender    send      fills that slot
//   receiver  receive   waits until the slot is full, and empties it
//
// reserve and receive throw RunStopped when the run fails, for example because another device has failed. _device_ is
// always the caller; all calls for one device come from one thread.
template <class T>
class Link {
 public:
  virtual ~Link() = default;

  // Waits until the slot of the route from _device_ to _to_ is empty. Returns the virtual time, in nanoseconds, since
  // when it has been empty
  virtual double reserve(int device, int to, Channel channel) = 0;

  // Sends a message to that slot. Must follow a reserve. The tensors of _message_ must not be modified afterwards
  virtual void send(int device, int to, Channel channel, const Message<T>& message) = 0;

  // Waits for a message in the slot of the route from _from_ to _device_ and swaps it with _held_, whose memory the
  // slot may use again. In virtual time the slot is empty from max(_now_, arrival of the message)
  virtual void receive(int device, int from, Channel channel, Message<T>& held, double now) = 0;
};

}  // namespace ringattn
