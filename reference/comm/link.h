#pragma once

#include "reference/comm/block.h"
#include "reference/trace/recorder.h"

namespace ringattn {

// The two kinds of messages. Blocks are sent on as soon as they have arrived; the partial results that the devices
// compute for a block follow one step later.
enum class Channel { blocks, results };

template <class T>
struct Message {
  Block<T> block;
  MessageTiming timing;
};

// The connection of each device to its two neighbours. Every device has one incoming slot for each channel, and a slot
// holds one message, so memory is bounded. A message takes three calls:
//
//   sender    reserve   waits until the slot of the next device is empty
//   sender    send      fills that slot
//   receiver  receive   waits until the own slot is full, and empties it
//
// reserve and receive throw RunStopped when the run fails, for example because another device has failed. _device_ is
// always the caller; all calls for one device come from one thread.
template <class T>
class Link {
 public:
  virtual ~Link() = default;

  // Waits until the slot of the device after _device_ is empty. Returns the virtual time, in nanoseconds, since when it
  // has been empty
  virtual double reserve(int device, Channel channel) = 0;

  // Sends a message to that slot. Must follow a reserve. The tensors of _message_ must not be modified afterwards
  virtual void send(int device, Channel channel, const Message<T>& message) = 0;

  // Waits for a message in the slot of _device_ and swaps it with _held_, whose memory the slot may use again. In
  // virtual time the slot is empty from max(_now_, arrival of the message)
  virtual void receive(int device, Channel channel, Message<T>& held, double now) = 0;
};

}  // namespace ringattn
