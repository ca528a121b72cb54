#pragma once

#include <exception>

#include "reference/comm/in_process/run_on_threads.h"
#include "reference/comm/transport.h"
#include "reference/ring/loop.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// Runs the programs of the local devices around the ring, together with those of other processes. Throws the first
// error of any device.
template <class T>
void run_programs(const std::vector<DeviceProgram<T>*>& programs, const RingOptions& options,
                  Transport<T>& transport) {
  Recorders silent(static_cast<std::size_t>(options.recorders ? 0 : options.devices));
  Recorders& recorders = options.recorders ? *options.recorders : silent;
  Link<T>& link = transport.connect();
  const int begin = transport.local_devices().begin;
  std::vector<Device<T>> devices;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const int device = begin + static_cast<int>(i);
    devices.emplace_back(device, options.devices, *programs[i], link, recorders[static_cast<std::size_t>(device)]);
  }
  const std::span<Device<T>> local(devices);

  // Several threads: each runs neighbouring devices
  RunMonitor& monitor = transport.monitor();
  if (transport.threads() > 1)
    return run_on_threads(static_cast<int>(local.size()), transport.threads(), monitor, [&](int first, int last) {
      run_ring(local.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first)),
               options.devices, options.overlap);
    });

  // One thread: all devices in lockstep, or the one device of this process
  try {
    run_ring(local, options.devices, options.overlap);
  } catch (...) {
    monitor.fail(std::current_exception());
  }
  monitor.rethrow_first_error();
}

}  // namespace ringattn
