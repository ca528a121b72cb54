#pragma once

#include <functional>
#include <memory>

#include "reference/comm/link.h"
#include "reference/comm/run_monitor.h"

namespace ringattn {

// Wraps the link of a run: a throttle, a gate, a fault. The result may keep references to both arguments.
template <class T>
using LinkDecorator = std::function<std::unique_ptr<Link<T>>(Link<T>& inner, RunMonitor& monitor)>;

// Devices [begin, end) of a ring.
struct DeviceRange {
  int begin = 0, end = 0;

  int count() const { return end - begin; }
};

// How the devices of a ring reach one another, and which of them live in this process.
template <class T>
class Transport {
 public:
  virtual ~Transport() = default;

  virtual DeviceRange local_devices() const = 0;
  virtual int threads() const = 0;  // that run the local devices

  // Begins a pass. The link carries the messages of the local devices until the next pass begins
  virtual Link<T>& connect() = 0;

  // Of the present pass
  virtual RunMonitor& monitor() = 0;
};

}  // namespace ringattn
