#pragma once

#include "reference/comm/link.h"

namespace ringattn {

// The messages that one device sends and receives. Each send, receive and wait becomes an event of the recorder.
template <class T>
class Port {
 public:
  Port(int device, Link<T>& link, Recorder& recorder) : device_(device), link_(link), recorder_(recorder) {}

  // _step_ and _name_ label the events
  void send(int step, int to, Channel channel, std::string_view name, const Block<T>& block);
  void receive(int step, int from, Channel channel, std::string_view name, Block<T>& block);

 private:
  int device_;
  Link<T>& link_;
  Recorder& recorder_;
};

template <class T>
void Port<T>::send(int step, int to, Channel channel, std::string_view name, const Block<T>& block) {
  // Wait until the slot of the receiver is empty
  recorder_.begin_wait(step, "send_buffer");
  const double empty_since = link_.reserve(device_, to, channel);
  recorder_.end_wait(empty_since);

  // Send; the receiver records the timing
  const MessageTiming timing = recorder_.begin_send(step, to, block.owner, name, block.bytes());
  link_.send(device_, to, channel, {block, timing});
  recorder_.end_send();
}

template <class T>
void Port<T>::receive(int step, int from, Channel channel, std::string_view name, Block<T>& block) {
  // Wait for the message; the link reuses the memory of the block that it replaces
  recorder_.begin_wait(step, "recv");
  Message<T> held{std::move(block), {}};
  link_.receive(device_, from, channel, held, recorder_.now());
  recorder_.end_wait(held.timing.arrives_t, held.timing.sent);

  block = std::move(held.block);
  recorder_.record_recv(step, from, block.owner, name, block.bytes(), held.timing);
}

}  // namespace ringattn
