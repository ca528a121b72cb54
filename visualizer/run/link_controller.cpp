#include "visualizer/run/link_controller.h"

#include "reference/comm/run_monitor.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

using Lock = std::lock_guard<std::mutex>;

LinkController::LinkController(std::vector<CostModel> speeds) : speeds_(std::move(speeds)) {
  for (const CostModel& speed : speeds_) controls_.push_back({.speed = speed});
}

void LinkController::step(int device) {
  const Lock lock(mutex_);
  DeviceControl& control = controls_.at(static_cast<std::size_t>(device));
  if (control.stalled) return;
  if (pass_)
    pass_->step(device);
  else
    control.step = true;
}

void LinkController::open() {
  const Lock lock(mutex_);
  open_ = true;
  if (pass_) pass_->open();
}

bool LinkController::holds(int device) {
  const Lock lock(mutex_);
  return pass_ && pass_->holds(device);
}

void LinkController::stall(int device, bool stalled) {
  const Lock lock(mutex_);
  controls_.at(static_cast<std::size_t>(device)).stalled = stalled;
  if (pass_) pass_->stall(device, stalled);
}

void LinkController::slow_link(int device, double factor) {
  const Lock lock(mutex_);
  const auto index = static_cast<std::size_t>(device);
  controls_.at(index).speed = slowed(speeds_[index], factor);
  if (pass_) pass_->set_speed(device, controls_[index].speed);
}

CostModel LinkController::speed(int device) {
  const Lock lock(mutex_);
  return controls_.at(static_cast<std::size_t>(device)).speed;
}

void LinkController::stop() {
  const Lock lock(mutex_);
  stopped_ = true;
  if (pass_) pass_->stop();
}

void LinkController::begin(ControlledPass& pass) {
  const Lock lock(mutex_);
  if (stopped_) throw RunStopped();
  pass_ = &pass;
  if (open_) pass.open();
  for (std::size_t index = 0; index < controls_.size(); ++index) {
    const int device = static_cast<int>(index);
    DeviceControl& control = controls_[index];
    pass.set_speed(device, control.speed);
    pass.stall(device, control.stalled);
    if (control.step) pass.step(device);
    control.step = false;
  }
}

void LinkController::end() {
  const Lock lock(mutex_);
  pass_ = nullptr;
}

}  // namespace ringattn::viz
