#pragma once

#include <functional>
#include <vector>

#include "reference/comm/link.h"
#include "reference/comm/neighbours.h"
#include "reference/ring/resident_owner.h"

namespace ringattn {

// What one device does in one step, in this order.
struct Step {
  static constexpr int none = -1;

  std::vector<int> block_to = {};  // the devices to which it sends the resident block
  bool attends = true;             // whether it computes with the resident block

  // The devices whose contributions to the results it adds, in this order
  std::vector<int> results_from = {};
  int results_to = none;       // the device to which it sends the sum; the own device: it keeps the sum
  bool keeps_results = false;  // whether the sum also stays on the device, to be continued in the next step

  int block_from = none;  // the device from which it receives the next block
};

// The messages and the arithmetic of one device during a pass. All devices have the same number of steps.
struct Schedule {
  std::vector<Step> steps;
  std::vector<int> own_results_from;  // after the last step: the devices that send results for the own block
  Channel blocks = Channel::blocks, results = Channel::results;
};

// Ring Attention: blocks travel from each device to the next one, and the results for their owners one step later
inline Schedule ring_schedule(int device, int devices) {
  const int next = next_device(device, devices), previous = previous_device(device, devices);
  Schedule ring;
  if (devices > 1) ring.own_results_from = {previous};
  for (int step = 0; step < devices; ++step) {
    Step& s = ring.steps.emplace_back();
    s.results_to = next;
    if (step > 0) s.results_from = {previous};
    if (step < devices - 1) s.block_to = {next}, s.block_from = previous;
  }
  return ring;
}

// Makes the schedule of a device, given the number of devices
using ScheduleFactory = std::function<Schedule(int device, int devices)>;

// The same messages between other devices: device d of _schedule_ is number_of(d)
Schedule renumbered(Schedule schedule, const std::function<int(int device)>& number_of);

// The routes on which messages reach _device_, without repetition
std::vector<Route> incoming_routes(const Schedule& schedule, int device);

// Those of all devices
std::vector<Route> all_routes(const ScheduleFactory& schedules, int devices);

// The buffers that a device needs for blocks and for results: one that it computes with, and one for each incoming
// route.
struct BufferCounts {
  int blocks = 1, results = 1;
};
BufferCounts buffer_counts(const Schedule& schedule, int device);

}  // namespace ringattn
