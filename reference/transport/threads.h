#pragma once

#include "reference/transport/ring_options.h"
#include "reference/transport/transport.h"

namespace ringattn {

// All devices in this process: as many threads as the options say drive them, with slots between them.
template <class T>
class Threads : public Transport<T> {
 public:
  Threads(const RingOptions& options, LinkDecorator<T> decorate);

  DeviceRange here() const override { return {0, options_.devices}; }
  void go_round(std::span<Work<T>* const> works) override;

 private:
  RingOptions options_;
  LinkDecorator<T> decorate_;
};

}  // namespace ringattn
