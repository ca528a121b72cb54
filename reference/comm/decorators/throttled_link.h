#pragma once

#include <algorithm>
#include <array>

#include "reference/comm/decorators/forwarding_link.h"
#include "reference/comm/run_monitor.h"
#include "reference/comm/transport.h"

namespace ringattn {

// Delays messages as a slower link would: a message occupies the wire for bytes / bandwidth and arrives one latency
// later. The receiver waits for the arrival; the sender continues at once, as with a network card or a DMA engine.
template <class T>
class ThrottledLink : public ForwardingLink<T> {
 public:
  ThrottledLink(Link<T>& inner, RunMonitor& monitor, int devices, const CostModel& speed);

  // Changes the links of _device_; may be called during a run
  void set_speed(int device, const CostModel& speed);

  void send(int device, int to, Channel channel, const Message<T>& message) override;
  void receive(int device, int from, Channel channel, Message<T>& held, double now) override;

 private:
  struct Wire {
    CostModel speed;
    // When the last message has left each link; all channels share it
    std::array<WallClock::time_point, OutgoingLink::most> free = {};
  };

  RunMonitor& monitor_;      // its lock protects wires_
  std::vector<Wire> wires_;  // by sending device
};

// Throttles the links, given the speed of the links of each device; no decorator if all are unlimited
template <class T>
LinkDecorator<T> throttled_links(const std::vector<CostModel>& speeds) {
  const auto unlimited = [](const CostModel& each) {
    return each.link_gbps == 0 && each.link_latency_us == 0 && each.network_gbps == 0 &&
           each.network_latency_us == 0;
  };
  if (std::all_of(speeds.begin(), speeds.end(), unlimited)) return {};
  return [=](Link<T>& inner, RunMonitor& monitor) {
    const int devices = static_cast<int>(speeds.size());
    auto links = std::make_unique<ThrottledLink<T>>(inner, monitor, devices, speeds.front());
    for (int device = 0; device < devices; ++device)
      links->set_speed(device, speeds[static_cast<std::size_t>(device)]);
    return links;
  };
}

}  // namespace ringattn
