#pragma once

#include <optional>

#include "reference/comm/in_process/in_process_link.h"
#include "reference/comm/transport.h"

namespace ringattn {

// All devices in this process. Messages are copied or moved through its memory.
template <class T>
class InProcessTransport : public Transport<T> {
 public:
  // _threads_: number of threads that run the devices; 0: one for each device; 1: lockstep
  InProcessTransport(int devices, int threads, Exchange exchange, LinkDecorator<T> decorate = {});

  DeviceRange local_devices() const override { return {0, devices_}; }
  int threads() const override { return threads_; }
  Link<T>& connect(const std::vector<Route>& routes) override;
  RunMonitor& monitor() override { return *monitor_; }

 private:
  int devices_, threads_;
  Exchange exchange_;
  LinkDecorator<T> decorate_;

  // Of the current pass
  std::unique_ptr<RunMonitor> monitor_;
  std::unique_ptr<InProcessLink<T>> link_;
  std::unique_ptr<Link<T>> decorated_;
};

}  // namespace ringattn
