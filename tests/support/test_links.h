#pragma once

#include <chrono>
#include <limits>
#include <thread>

#include "reference/comm/decorators/forwarding_link.h"
#include "reference/definition/random.h"
#include "reference/ring/ring_attention.h"

namespace ringattn {

// A link that calls a function before each call of a device, for example to wait, to throw or to count.
template <class T>
class HookedLink : public ForwardingLink<T> {
 public:
  using Hook = std::function<void(int device)>;
  HookedLink(Link<T>& inner, Hook hook) : ForwardingLink<T>(inner), hook_(std::move(hook)) {}

 protected:
  void before_call(int device) override { hook_(device); }

 private:
  Hook hook_;
};

template <class T>
LinkDecorator<T> before_each_call(typename HookedLink<T>::Hook hook) {
  return [hook](Link<T>& inner, RunMonitor&) { return std::make_unique<HookedLink<T>>(inner, hook); };
}

// Delays each call by a random time, drawn separately for each device
template <class T>
LinkDecorator<T> random_delays(std::uint64_t seed, int devices) {
  std::vector<Random> randoms;
  for (int device = 0; device < devices; ++device)
    randoms.emplace_back(seed + static_cast<std::uint64_t>(device));
  return before_each_call<T>([randoms](int device) mutable {
    Random& random = randoms[static_cast<std::size_t>(device)];
    if (random.below(2))
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(random.below(100)));
  });
}

// Fills the tensors that a device has passed on with NaN: the block that it replaces by the next one, and results that
// it has sent. Requires Exchange::copy.
template <class T>
class PoisoningLink : public ForwardingLink<T> {
 public:
  using ForwardingLink<T>::ForwardingLink;

  void send(int device, int to, Channel channel, const Message<T>& message) override {
    ForwardingLink<T>::send(device, to, channel, message);
    if (channel == Channel::results)
      for (const auto& tensor : message.block.tensors) poison(*tensor);
  }
  void receive(int device, int from, Channel channel, Message<T>& held, double now) override {
    for (const auto& tensor : held.block.tensors)
      if (tensor.use_count() == 1) poison(*tensor);
    ForwardingLink<T>::receive(device, from, channel, held, now);
  }

 private:
  static void poison(Tensor<T>& tensor) {
    std::fill_n(tensor.data(), tensor.size(), std::numeric_limits<T>::quiet_NaN());
  }
};

template <class T>
LinkDecorator<T> poison_released_blocks() {
  return [](Link<T>& inner, RunMonitor&) { return std::make_unique<PoisoningLink<T>>(inner); };
}

}  // namespace ringattn
