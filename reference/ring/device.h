#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "reference/ring/port.h"
#include "reference/ring/programs/device_program.h"
#include "reference/ring/schedule.h"

namespace ringattn {

// One device: its program computes, the device communicates as its schedule says. It holds the resident block, calls the
// program to attend to it, and sends and receives through its port. In a ring:
//
//   blocks    the resident block, P - 1 hops: every device attends to it
//   results   the results for its owner, P hops, one step later: each device adds its contribution,
//
//               sent to r + 1  =  arrived from r - 1 (none at step 0)  +  computed on r
//
// Only passes with results send them (see PassDescription).
template <class T>
class Device {
 public:
  Device(int device, Schedule schedule, DeviceProgram<T>& program, Link<T>& link, Recorder& recorder);

  void begin();              // makes the own block resident
  void send_on(int step);    // sends the resident block on
  void attend(int step);     // computes with the resident block, and adds the results that arrive
  void take_next(int step);  // sends the results on, then waits for the next block
  void finish();             // waits for the complete results of the own block

 private:
  const Step& at(int step) const { return schedule_.steps[static_cast<std::size_t>(step)]; }
  bool has_results() const { return !pass_.results.empty(); }
  void add_results(int step, const std::vector<int>& from);

  int device_;
  Schedule schedule_;
  DeviceProgram<T>& program_;
  Recorder& recorder_;
  Port<T> port_;
  PassDescription pass_;
  Block<T> resident_;    // the block that this device holds
  Block<T> result_;      // the results for its owner
  Block<T> own_result_;  // those for the own block that were computed on this device, until others arrive
  std::vector<Shape> own_result_shapes_;
};

// The shapes of the tensors of a block
template <class T>
std::vector<Shape> shapes_of(const Block<T>& block) {
  std::vector<Shape> shapes;
  for (const auto& tensor : block.tensors) shapes.push_back(tensor->shape());
  return shapes;
}

// Throws if results have another shape than expected. All results for one block have the same shapes, so others prove
// that messages are out of order
template <class T>
void check_shapes(const Block<T>& arrived, const std::vector<Shape>& expected, int device) {
  if (shapes_of(arrived) != expected)
    throw std::runtime_error("[ring] all results for one block must have the same shape; device " +
                             std::to_string(device) + " received another shape for the block of device " +
                             std::to_string(arrived.owner) +
                             "; look for a lost, repeated or reordered message");
}

// ---- One pass ----------------------------------------------------------------------

template <class T>
Device<T>::Device(int device, Schedule schedule, DeviceProgram<T>& program, Link<T>& link, Recorder& recorder)
    : device_(device),
      schedule_(std::move(schedule)),
      program_(program),
      recorder_(recorder),
      port_(device, link, recorder),
      pass_(program.description()) {}

template <class T>
void Device<T>::begin() {
  recorder_.begin_run(pass_.pass);
  for (const auto& [name, bytes] : pass_.allocations) recorder_.record_alloc(name, bytes);
  resident_ = program_.own_block();
}

template <class T>
void Device<T>::send_on(int step) {
  for (const int to : at(step).block_to) port_.send(step, to, schedule_.blocks, pass_.blocks, resident_);
}

template <class T>
void Device<T>::attend(int step) {
  // Compute this device's contribution
  if (at(step).attends) {
    result_ = program_.attend(step, resident_);
    if (resident_.owner == device_) own_result_shapes_ = shapes_of(result_);
  }

  // Add the contributions of earlier devices; a ring has none at step 0, when each block is on its owner
  add_results(step, at(step).results_from);
}

template <class T>
void Device<T>::take_next(int step) {
  const Step& s = at(step);
  if (has_results() && s.results_to == device_)
    own_result_ = std::move(result_);
  else if (has_results() && s.results_to != Step::none)
    port_.send(step, s.results_to, schedule_.results, pass_.results, result_);
  if (!s.keeps_results) result_ = {};
  if (s.block_from != Step::none)
    port_.receive(step, s.block_from, schedule_.blocks, pass_.blocks, resident_);
}

template <class T>
void Device<T>::finish() {
  result_ = std::move(own_result_);
  add_results(static_cast<int>(schedule_.steps.size()) - 1, schedule_.own_results_from);
  if (has_results()) {
    check_shapes(result_, own_result_shapes_, device_);
    program_.accept_results(std::move(result_));
  }
  resident_ = {};
  // Free all buffers of the pass
  recorder_.record_finalize();
  for (const auto& [name, bytes] : pass_.allocations) recorder_.record_free(name, bytes);
  recorder_.end_run();
}

// Adds contributions to the results on this device; the first is the sum itself if the device has none
template <class T>
void Device<T>::add_results(int step, const std::vector<int>& from) {
  if (!has_results()) return;
  for (const int device : from) {
    Block<T> arrived;
    port_.receive(step, device, schedule_.results, pass_.results, arrived);
    if (result_.empty()) {
      result_ = std::move(arrived);
      continue;
    }
    check_shapes(arrived, shapes_of(result_), device_);
    program_.accumulate(step, result_, std::move(arrived));
  }
}

}  // namespace ringattn
