#pragma once

#include <functional>
#include <memory>
#include <span>

#include "reference/ring/link.h"
#include "reference/ring/device_program.h"

namespace ringattn {

class RunMonitor;

// Puts something around the links of a run: a throttle, a gate, a fault. The result may keep a reference to
// both.
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

  // Lets the works of the devices that live here go round the ring with all others. Throws the first error of
  // any device
  virtual void run(std::span<DeviceProgram<T>* const> works) = 0;
};

}  // namespace ringattn
