#pragma once

#include <mutex>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn::viz {

// The links of one pass around the ring, as a LinkController controls them.
class ControlledPass {
 public:
  virtual ~ControlledPass() = default;

  virtual void step(int device) = 0;
  virtual void open() = 0;
  virtual bool holds(int device) = 0;
  virtual void stall(int device, bool stalled) = 0;
  virtual void set_speed(int device, const CostModel& speed) = 0;
  virtual void stop() = 0;
};

// Forwards commands to the links of the current pass. A run has one or two passes, each with links of its own: the
// controller never calls links that no longer exist, and repeats the settings in force to the links of the next pass.
class LinkController {
 public:
  // _speeds_: initial cost model of the link from each device to the next
  explicit LinkController(std::vector<CostModel> speeds);

  void step(int device);
  void open();
  // Whether a device waits for a step
  bool holds(int device);
  void stall(int device, bool stalled);
  void slow_link(int device, double factor);
  void stop();

  // The current cost model of the link from a device
  CostModel speed(int device);

  // Called by the links after construction and before destruction. begin() throws RunStopped after stop()
  void begin(ControlledPass& pass);
  void end();

 private:
  struct DeviceControl {
    bool step = false;  // a step is pending until there are links
    bool stalled = false;
    CostModel speed;
  };

  std::mutex mutex_;
  ControlledPass* pass_ = nullptr;  // the current pass; null: none
  std::vector<CostModel> speeds_;
  std::vector<DeviceControl> controls_;  // by device
  bool open_ = false, stopped_ = false;
};

}  // namespace ringattn::viz
