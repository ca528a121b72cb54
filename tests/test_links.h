#pragma once

#include <chrono>
#include <limits>
#include <thread>

#include "reference/definition/random.h"
#include "reference/transport/ring_attention.h"

namespace ringattn {

// A link that does something before each verb: wait, fail, count. Calls for one device come from one thread.
template <class T>
class Preceded : public Link<T> {
 public:
  using Act = std::function<void(int device)>;
  Preceded(Link<T>& inner, Act act) : inner_(inner), act_(std::move(act)) {}

  double reserve(int device, Lane lane) override {
    act_(device);
    return inner_.reserve(device, lane);
  }
  void send(int device, Lane lane, const Message<T>& message) override {
    act_(device);
    inner_.send(device, lane, message);
  }
  void receive(int device, Lane lane, Message<T>& held, double now) override {
    act_(device);
    inner_.receive(device, lane, held, now);
  }

 private:
  Link<T>& inner_;
  Act act_;
};

template <class T>
LinkDecorator<T> before_each_verb(typename Preceded<T>::Act act) {
  return [act](Link<T>& inner, WaitingRoom&) { return std::make_unique<Preceded<T>>(inner, act); };
}

// Devices dawdle before each verb, each in its own way
template <class T>
LinkDecorator<T> random_delays(std::uint64_t seed, int devices) {
  std::vector<Random> randoms;
  for (int device = 0; device < devices; ++device)
    randoms.emplace_back(seed + static_cast<std::uint64_t>(device));
  return before_each_verb<T>([randoms](int device) mutable {
    Random& random = randoms[static_cast<std::size_t>(device)];
    if (random.below(2))
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(random.below(100)));
  });
}

// Where blocks are copied: fills with NaN whatever a device has given away, a block that it exchanged for the
// next one and a result that it has sent off.
template <class T>
class Poisoning : public Link<T> {
 public:
  explicit Poisoning(Link<T>& inner) : inner_(inner) {}

  double reserve(int device, Lane lane) override { return inner_.reserve(device, lane); }
  void send(int device, Lane lane, const Message<T>& message) override {
    inner_.send(device, lane, message);
    if (lane == Lane::behind)
      for (const auto& tensor : message.block.tensors) poison(*tensor);
  }
  void receive(int device, Lane lane, Message<T>& held, double now) override {
    for (const auto& tensor : held.block.tensors)
      if (tensor.use_count() == 1) poison(*tensor);
    inner_.receive(device, lane, held, now);
  }

 private:
  static void poison(Tensor<T>& tensor) {
    std::fill_n(tensor.data(), tensor.size(), std::numeric_limits<T>::quiet_NaN());
  }

  Link<T>& inner_;
};

template <class T>
LinkDecorator<T> poisoning() {
  return [](Link<T>& inner, WaitingRoom&) { return std::make_unique<Poisoning<T>>(inner); };
}

}  // namespace ringattn
