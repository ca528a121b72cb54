#pragma once

#include "reference/ring/run_programs.h"
#include "reference/strategies/usp_device.h"
#include "reference/strategies/usp_groups.h"

namespace ringattn {

// A pass of USP with groups of _u_ devices, for the devices that this thread runs
template <class T, class SomeDevice>
void run_usp(std::span<const std::unique_ptr<SomeDevice>> local, const RingOptions& options, int u,
             Link<T>& link, RunRecorders& recorders) {
  for (const auto& d : local) d->send_heads();
  std::vector<Device<T>> ring;
  for (const auto& d : local)
    ring.emplace_back(d->device(), ring_across_groups(d->device(), options.devices, u),
                      d->join_ring(options.recorders != nullptr), link, recorders.of(d->device()));
  run_ring(std::span(ring), options.devices / u, options.overlap);
  for (const auto& d : local) d->send_results();
  for (const auto& d : local) d->take_results();
}

}  // namespace ringattn
