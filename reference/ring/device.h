#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "reference/ring/link.h"
#include "reference/ring/schedule.h"
#include "reference/ring/device_program.h"

namespace ringattn {

// One device of the ring: the block that visits it, its work, its link, and the pen that writes down the
// facts.
template <class T>
class Device {
 public:
  Device(int device, int devices, DeviceProgram<T>& work, Link<T>& link, Recorder& recorder);

  void begin();
  void send_on(int step);    // posts the block it holds to the next device
  void attend(int step);     // works on it, and joins what the devices before found out for its owner
  void take_next(int step);  // sends the result after the block, waits for the next block and holds it
  void finish();             // takes home what all devices found out for its own block

 private:
  bool last(int step) const { return step == devices_ - 1; }
  bool has_results() const { return !work_.behind().empty(); }
  void send(int step, Channel channel, const Block<T>& block);
  void receive(int step, Channel channel, Block<T>& block);

  int device_, devices_;
  DeviceProgram<T>& work_;
  Link<T>& link_;
  Recorder& recorder_;
  Block<T> resident_;                // travels ahead
  Block<T> result_;                 // follows behind
  std::vector<Shape> own_result_shapes_;  // of the results for the own block
};

template <class T>
std::vector<Shape> shapes_of(const Block<T>& block) {
  std::vector<Shape> shapes;
  for (const auto& tensor : block.tensors) shapes.push_back(tensor->shape());
  return shapes;
}

// Results for one block have one shape; others can only come from messages out of order
template <class T>
void check_shapes(const Block<T>& arrived, const std::vector<Shape>& expected, int device) {
  if (shapes_of(arrived) != expected)
    throw std::runtime_error("[ring] results for one block must have one shape; device " +
                             std::to_string(device) + " received some of another, for the block of device " +
                             std::to_string(arrived.owner) +
                             "; look for messages that were lost, repeated or reordered");
}

// ---- The verbs ---------------------------------------------------------------------

template <class T>
Device<T>::Device(int device, int devices, DeviceProgram<T>& work, Link<T>& link, Recorder& recorder)
    : device_(device), devices_(devices), work_(work), link_(link), recorder_(facts) {}

template <class T>
void Device<T>::begin() {
  recorder_.begin_run(work_.pass());
  for (const auto& [what, bytes] : work_.allocations()) recorder_.record_alloc(what, bytes);
  resident_ = work_.own_block();
}

template <class T>
void Device<T>::send_on(int step) {
  if (!last(step)) send(step, Channel::blocks, resident_);
}

template <class T>
void Device<T>::attend(int step) {
  result_ = work_.attend(step, resident_, recorder_);
  if (step == 0) own_result_shapes_ = shapes_of(result_);
  if (!has_results() || step == 0) return;
  Block<T> arrived;
  receive(step, Channel::results, arrived);
  check_shapes(arrived, shapes_of(result_), device_);
  work_.accumulate(step, result_, std::move(arrived), recorder_);
}

template <class T>
void Device<T>::take_next(int step) {
  if (has_results()) send(step, Channel::results, result_);
  result_ = {};
  if (!last(step)) receive(step, Channel::blocks, resident_);
}

template <class T>
void Device<T>::finish() {
  if (has_results()) {
    Block<T> result;
    receive(devices_ - 1, Channel::results, result);
    check_shapes(result, own_result_shapes_, device_);
    work_.accept_results(std::move(result));
  }
  resident_ = {};
  recorder_.record_finalize();
  for (const auto& [what, bytes] : work_.allocations()) recorder_.record_free(what, bytes);
  recorder_.end_run();
}

template <class T>
void Device<T>::send(int step, Channel channel, const Block<T>& block) {
  recorder_.begin_wait(step, "send_buffer");
  const double empty_since = link_.reserve(device_, channel);
  recorder_.end_wait(empty_since);

  const std::string_view what = channel == Channel::blocks ? work_.ahead() : work_.behind();
  const MessageTiming timing = recorder_.begin_send(step, next_device(device_, devices_), block.owner, what, block.bytes());
  link_.send(device_, channel, {block, timing});
  recorder_.end_send();
}

template <class T>
void Device<T>::receive(int step, Channel channel, Block<T>& block) {
  recorder_.begin_wait(step, "recv");
  Message<T> held{std::move(block), {}};
  link_.receive(device_, channel, held, recorder_.now());
  recorder_.end_wait(held.timing.arrives_t, held.timing.sent);

  block = std::move(held.block);
  const std::string_view what = channel == Channel::blocks ? work_.ahead() : work_.behind();
  recorder_.record_recv(step, previous_device(device_, devices_), block.owner, what, block.bytes(), held.timing);
}

}  // namespace ringattn
