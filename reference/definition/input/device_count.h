#pragma once

#include <string_view>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

// The largest ring. Time and memory of a ring grow with the square of its devices: each block visits each device.
constexpr int max_devices = 1024;

// Throws BadInput, in the name of _operation_, unless a ring can have this number of devices
template <class Integer>
void require_device_count(std::string_view operation, Integer devices) {
  require(1 <= devices && devices <= max_devices, "[", operation, "] a ring has 1 to ", max_devices,
          " devices; found ", devices, "; choose another number");
}

}  // namespace ringattn
