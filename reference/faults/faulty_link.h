#pragma once

#include <deque>

#include "reference/comm/decorators/forwarding_link.h"

namespace ringattn {

// A fault of communication.
enum class LinkFaultKind {
  stale,           // the message holds the numbers of the previous message; no effect on the first
  torn,            // the second half of each sequence is that of the previous message; no effect on the first
  lost,            // the message never arrives
  twice,           // the message arrives twice, and each later message one receive late
  all_send_first,  // every send of every device blocks until it is received, as MPI_Send may for large messages
};

// The message with the fault: the one that _device_ sends on channel blocks as its hop number _hop_, counted from 0.
struct LinkFault {
  LinkFaultKind kind = LinkFaultKind::stale;
  int device = 0;
  int hop = 1;
};

// A link decorator that injects one fault, to show its effect on a run. The ring has no code for faults.
template <class T>
class FaultyLink : public ForwardingLink<T> {
 public:
  FaultyLink(Link<T>& inner, const LinkFault& fault) : ForwardingLink<T>(inner), fault_(fault) {}

  void send(int device, int to, Channel channel, const Message<T>& message) override;
  void receive(int device, int from, Channel channel, Message<T>& held, double now) override;

 private:
  // Whether the fault concerns messages that _device_ sends on this channel
  bool affects(int device, Channel channel) const {
    return channel == Channel::blocks && device == fault_.device;
  }

  LinkFault fault_;

  // Used by the sending device only
  int hops_ = 0;
  Message<T> last_sent_;

  // Used by the receiving device only
  int receives_ = 0;
  std::deque<Message<T>> waiting_;
};

}  // namespace ringattn
