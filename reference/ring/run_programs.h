#pragma once

#include <exception>

#include "reference/comm/in_process/run_on_threads.h"
#include "reference/comm/transport.h"
#include "reference/ring/loop.h"
#include "reference/ring/ring_options.h"

namespace ringattn {

// A program with the device that runs it and the schedule of its messages.
template <class T>
struct ScheduledProgram {
  int device;
  Schedule schedule;
  DeviceProgram<T>* program;
};

// The recorders of a run. Without those of the options, recorders without a sink, which record nothing: a device does not
// distinguish recorded runs.
class RunRecorders {
 public:
  explicit RunRecorders(const RingOptions& options)
      : silent_(static_cast<std::size_t>(options.recorders ? 0 : options.devices)),
        used_(options.recorders ? *options.recorders : silent_) {}

  Recorder& of(int device) { return used_[static_cast<std::size_t>(device)]; }

 private:
  Recorders silent_;
  Recorders& used_;
};

// Runs one pass: the programs of the local devices of the transport, ordered by device, as many for each. Devices of
// other processes, if any, run the same pass at the same time. _routes_: of all messages, also of those between devices
// of other processes. Throws the first error of any device.
template <class T>
void run_programs(const std::vector<ScheduledProgram<T>>& programs, const std::vector<Route>& routes,
                  const RingOptions& options, Transport<T>& transport) {
  // Make the local devices; the link connects them to each other and to those of other processes
  RunRecorders recorders(options);
  Link<T>& link = transport.connect(routes);
  std::vector<Device<T>> devices;
  for (const auto& [device, schedule, program] : programs)
    devices.emplace_back(device, schedule, *program, link, recorders.of(device));
  const std::span<Device<T>> local(devices);
  const int steps = static_cast<int>(programs.front().schedule.steps.size());

  // Several threads: each runs a group of neighbouring devices
  RunMonitor& monitor = transport.monitor();
  const int count = transport.local_devices().count();
  const std::size_t per_device = programs.size() / static_cast<std::size_t>(count);
  if (transport.threads() > 1)
    return run_on_threads(count, transport.threads(), monitor, [&](int first, int last) {
      const auto begin = static_cast<std::size_t>(first) * per_device,
                 end = static_cast<std::size_t>(last) * per_device;
      run_ring(local.subspan(begin, end - begin), steps, options.overlap);
    });

  // One thread: all devices of the ring in lockstep, or the one device of this process
  try {
    run_ring(local, steps, options.overlap);
  } catch (...) {
    monitor.fail(std::current_exception());
  }
  monitor.rethrow_first_error();
}

}  // namespace ringattn
