#pragma once

#include "reference/comm/link.h"

namespace ringattn {

// Base class of link decorators. It passes each call on to an inner link; a subclass overrides the calls that it
// changes and calls the base for the rest, or overrides before_call to act before all three.
template <class T>
class ForwardingLink : public Link<T> {
 public:
  explicit ForwardingLink(Link<T>& inner) : inner_(inner) {}

  double reserve(int device, int to, Channel channel) override {
    before_call(device);
    return inner_.reserve(device, to, channel);
  }
  void send(int device, int to, Channel channel, const Message<T>& message) override {
    before_call(device);
    inner_.send(device, to, channel, message);
  }
  void receive(int device, int from, Channel channel, Message<T>& held, double now) override {
    before_call(device);
    inner_.receive(device, from, channel, held, now);
  }

 protected:
  virtual void before_call(int /*device*/) {}

 private:
  Link<T>& inner_;
};

}  // namespace ringattn
