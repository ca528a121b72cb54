#pragma once

#include <exception>

#include "reference/comm/in_process/run_on_threads.h"
#include "reference/comm/transport.h"
#include "reference/ring/loop.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// Runs one pass around the ring: programs[i] on device local_devices().begin + i of the transport. Devices of other
// processes, if any, run the same pass at the same time. Throws the first error of any device.
template <class T>
void run_programs(const std::vector<DeviceProgram<T>*>& programs, const RingOptions& options,
                  Transport<T>& transport) {
  // A recorder without a sink records nothing, so a device does not distinguish recorded runs
  Recorders silent(static_cast<std::size_t>(options.recorders ? 0 : options.devices));
  Recorders& recorders = options.recorders ? *options.recorders : silent;

  // Make the local devices; the link connects them to each other and to those of other processes
  Link<T>& link = transport.connect();
  const int begin = transport.local_devices().begin;
  std::vector<Device<T>> devices;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const int device = begin + static_cast<int>(i);
    devices.emplace_back(device, options.devices, *programs[i], link,
                         recorders[static_cast<std::size_t>(device)]);
  }
  const std::span<Device<T>> local(devices);

  // Several threads: each runs a group of neighbouring devices
  RunMonitor& monitor = transport.monitor();
  if (transport.threads() > 1)
    return run_on_threads(
        static_cast<int>(local.size()), transport.threads(), monitor, [&](int first, int last) {
          run_ring(local.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first)),
                   options.devices, options.overlap);
        });

  // One thread: all devices of the ring in lockstep, or the one device of this process
  try {
    run_ring(local, options.devices, options.overlap);
  } catch (...) {
    monitor.fail(std::current_exception());
  }
  monitor.rethrow_first_error();
}

}  // namespace ringattn
