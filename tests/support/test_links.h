#pragma once

#include <chrono>
#include <limits>
#include <thread>

#include "reference/definition/random.h"
#include "reference/ring/ring_attention.h"

namespace ringattn {

// A link that calls a hook before each operation, to wait, fail or count. Calls for one device come from one thread.
template <class T>
class HookedLink : public Link<T> {
 public:
  using Hook = std::function<void(int device)>;
  HookedLink(Link<T>& inner, Hook hook) : inner_(inner), hook_(std::move(hook)) {}

  double reserve(int device, Channel channel) override {
    hook_(device);
    return inner_.reserve(device, channel);
  }
  void send(int device, Channel channel, const Message<T>& message) override {
    hook_(device);
    inner_.send(device, channel, message);
  }
  void receive(int device, Channel channel, Message<T>& held, double now) override {
    hook_(device);
    inner_.receive(device, channel, held, now);
  }

 private:
  Link<T>& inner_;
  Hook hook_;
};

template <class T>
LinkDecorator<T> before_each_call(typename HookedLink<T>::Hook hook) {
  return [hook](Link<T>& inner, RunMonitor&) { return std::make_unique<HookedLink<T>>(inner, hook); };
}

// Each device waits for a random time before each operation
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

// For runs that copy blocks: fills with NaN everything that a device has released, that is each block replaced by the
// next one and each result sent.
template <class T>
class PoisoningLink : public Link<T> {
 public:
  explicit PoisoningLink(Link<T>& inner) : inner_(inner) {}

  double reserve(int device, Channel channel) override { return inner_.reserve(device, channel); }
  void send(int device, Channel channel, const Message<T>& message) override {
    inner_.send(device, channel, message);
    if (channel == Channel::results)
      for (const auto& tensor : message.block.tensors) poison(*tensor);
  }
  void receive(int device, Channel channel, Message<T>& held, double now) override {
    for (const auto& tensor : held.block.tensors)
      if (tensor.use_count() == 1) poison(*tensor);
    inner_.receive(device, channel, held, now);
  }

 private:
  static void poison(Tensor<T>& tensor) {
    std::fill_n(tensor.data(), tensor.size(), std::numeric_limits<T>::quiet_NaN());
  }

  Link<T>& inner_;
};

template <class T>
LinkDecorator<T> poison_released_blocks() {
  return [](Link<T>& inner, RunMonitor&) { return std::make_unique<PoisoningLink<T>>(inner); };
}

}  // namespace ringattn
