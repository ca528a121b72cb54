#pragma once

#include <mutex>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn::viz {

// The links of one pass round the ring, for whoever steers them from outside.
class ControlledPass {
 public:
  virtual ~ControlledPass() = default;

  virtual void step(int device) = 0;
  virtual void open() = 0;
  virtual void stall(int device, bool stalled) = 0;
  virtual void set_speed(int device, const CostModel& speed) = 0;
  virtual void stop() = 0;
};

// Passes on what devices are told. A run goes round the ring once or twice, each time with links that live no
// longer than the pass: nothing reaches links that are gone, and what holds is told to the next ones again.
class LinkController {
 public:
  // _speeds_: of the link of each device to the next
  explicit LinkController(std::vector<CostModel> speeds);

  void step(int device);
  void open();
  void stall(int device, bool stalled);
  void slow_link(int device, double factor);
  void stop();

  // What the link from a device costs now
  CostModel speed(int device);

  // By the links, when they come to life and before they go. Throws RunStopped where nobody wants them any
  // more
  void begin(ControlledPass& pass);
  void end();

 private:
  struct DeviceControl {
    bool step = false;  // before there were links
    bool stalled = false;
    CostModel speed;
  };

  std::mutex mutex_;
  ControlledPass* pass_ = nullptr;  // the one under way
  std::vector<CostModel> speeds_;
  std::vector<DeviceControl> controls_;  // by device
  bool open_ = false, stopped_ = false;
};

}  // namespace ringattn::viz
