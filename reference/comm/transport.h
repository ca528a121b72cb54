#pragma once

#include <functional>
#include <memory>

#include "reference/comm/link.h"
#include "reference/comm/run_monitor.h"

namespace ringattn {

// A function that wraps the link of a pass in a decorator, for example a ThrottledLink. The decorator may keep
// references to both arguments.
template <class T>
using LinkDecorator = std::function<std::unique_ptr<Link<T>>(Link<T>& inner, RunMonitor& monitor)>;

// The devices [begin, end) of a ring.
struct DeviceRange {
  int begin = 0, end = 0;

  int count() const { return end - begin; }
};

// Connects the devices of a ring: in one process (InProcessTransport) or one process per device (MpiTransport).
template <class T>
class Transport {
 public:
  virtual ~Transport() = default;

  virtual DeviceRange local_devices() const = 0;  // the devices of this process
  virtual int threads() const = 0;                // number of threads that run the local devices

  // Begins a pass whose messages use these routes, and returns its link, which is valid until the next call of connect
  virtual Link<T>& connect(const std::vector<Route>& routes) = 0;

  // The monitor of the current pass
  virtual RunMonitor& monitor() = 0;
};

}  // namespace ringattn
