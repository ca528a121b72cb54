#include "visualizer/run/steering.h"

#include "reference/transport/waiting_room.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

using Lock = std::lock_guard<std::mutex>;

Steering::Steering(std::vector<CostModel> speeds) : speeds_(std::move(speeds)) {
  for (const CostModel& speed : speeds_) told_.push_back({.speed = speed});
}

void Steering::step(int device) {
  const Lock lock(mutex_);
  Told& told = told_.at(static_cast<std::size_t>(device));
  if (told.stalled) return;
  if (pass_)
    pass_->step(device);
  else
    told.step = true;
}

void Steering::open() {
  const Lock lock(mutex_);
  open_ = true;
  if (pass_) pass_->open();
}

void Steering::stall(int device, bool stalled) {
  const Lock lock(mutex_);
  told_.at(static_cast<std::size_t>(device)).stalled = stalled;
  if (pass_) pass_->stall(device, stalled);
}

void Steering::slow_link(int device, double factor) {
  const Lock lock(mutex_);
  const auto index = static_cast<std::size_t>(device);
  told_.at(index).speed = slowed(speeds_[index], factor);
  if (pass_) pass_->set_speed(device, told_[index].speed);
}

CostModel Steering::speed(int device) {
  const Lock lock(mutex_);
  return told_.at(static_cast<std::size_t>(device)).speed;
}

void Steering::stop() {
  const Lock lock(mutex_);
  stopped_ = true;
  if (pass_) pass_->stop();
}

void Steering::begin(SteeredPass& pass) {
  const Lock lock(mutex_);
  if (stopped_) throw RunStopped();
  pass_ = &pass;
  if (open_) pass.open();
  for (std::size_t index = 0; index < told_.size(); ++index) {
    const int device = static_cast<int>(index);
    Told& told = told_[index];
    pass.set_speed(device, told.speed);
    pass.stall(device, told.stalled);
    if (told.step) pass.step(device);
    told.step = false;
  }
}

void Steering::end() {
  const Lock lock(mutex_);
  pass_ = nullptr;
}

}  // namespace ringattn::viz
