#pragma once

#include "reference/ring/ring_options.h"
#include "reference/ring/transport.h"

namespace ringattn {

// All devices in this process: as many threads as the options say drive them, with slots between them.
template <class T>
class ThreadTransport : public Transport<T> {
 public:
  ThreadTransport(const RingOptions& options, LinkDecorator<T> decorate);

  DeviceRange local_devices() const override { return {0, options_.devices}; }
  void run(std::span<DeviceProgram<T>* const> works) override;

 private:
  RingOptions options_;
  LinkDecorator<T> decorate_;
};

}  // namespace ringattn
