#pragma once

#include <deque>

#include "reference/comm/link.h"

namespace ringattn {

// What can go wrong with a message.
enum class LinkFaultKind {
  stale,           // the receiver finds the numbers of the message before; needs a hop after the first
  torn,            // the second half of each sequence is still that of the message before
  lost,            // never arrives
  twice,           // arrives twice, and whatever comes after it one receive too late
  all_send_first,  // every send of every device waits until it was received, as MPI_Send may for large
                   // messages
};

// Which message suffers: the one that _device_ sends ahead as its hop number _hop_, counted from 0.
struct LinkFault {
  LinkFaultKind kind = LinkFaultKind::stale;
  int device = 0;
  int hop = 1;
};

// A link with one fault, to see what becomes of a run. The ring itself has no hook for it.
template <class T>
class FaultyLink : public Link<T> {
 public:
  FaultyLink(Link<T>& inner, int devices, const LinkFault& fault) : inner_(inner), devices_(devices), fault_(fault) {}

  double reserve(int device, Channel channel) override { return inner_.reserve(device, channel); }
  void send(int device, Channel channel, const Message<T>& message) override;
  void receive(int device, Channel channel, Message<T>& held, double now) override;

 private:
  bool affects(int device, Channel channel) const { return channel == Channel::blocks && device == fault_.device; }

  Link<T>& inner_;
  int devices_;
  LinkFault fault_;

  // Touched by the sending device only
  int hops_ = 0;
  Message<T> last_sent_;

  // Touched by the receiving device only
  int receives_ = 0;
  std::deque<Message<T>> waiting_;
};

}  // namespace ringattn
