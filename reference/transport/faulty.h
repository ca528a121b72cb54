#pragma once

#include <deque>

#include "reference/ring/link.h"

namespace ringattn {

// What can go wrong with a message.
enum class FaultKind {
  stale,           // the receiver finds the numbers of the message before; needs a hop after the first
  torn,            // the second half of each sequence is still that of the message before
  lost,            // never arrives
  twice,           // arrives twice, and whatever comes after it one receive too late
  blocking_sends,  // every send of every device waits until it was received, as MPI_Send may for large
                   // messages
};

// Which message suffers: the one that _device_ sends ahead as its hop number _hop_, counted from 0.
struct Fault {
  FaultKind kind = FaultKind::stale;
  int device = 0;
  int hop = 1;
};

// A link with one fault, to see what becomes of a run. The ring itself has no hook for it.
template <class T>
class Faulty : public Link<T> {
 public:
  Faulty(Link<T>& inner, int devices, const Fault& fault) : inner_(inner), devices_(devices), fault_(fault) {}

  double reserve(int device, Lane lane) override { return inner_.reserve(device, lane); }
  void send(int device, Lane lane, const Message<T>& message) override;
  void receive(int device, Lane lane, Message<T>& held, double now) override;

 private:
  bool strikes(int device, Lane lane) const { return lane == Lane::ahead && device == fault_.device; }

  Link<T>& inner_;
  int devices_;
  Fault fault_;

  // Touched by the sending device only
  int hops_ = 0;
  Message<T> last_sent_;

  // Touched by the receiving device only
  int receives_ = 0;
  std::deque<Message<T>> waiting_;
};

}  // namespace ringattn
