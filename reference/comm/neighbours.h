#pragma once

namespace ringattn {

// The neighbours of a device in a ring of _devices_. Blocks travel from device r to device (r + 1) mod P.
constexpr int next_device(int device, int devices) { return (device + 1) % devices; }
constexpr int previous_device(int device, int devices) { return (device + devices - 1) % devices; }

}  // namespace ringattn
