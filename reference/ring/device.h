#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "reference/ring/link.h"
#include "reference/ring/schedule.h"
#include "reference/ring/work.h"

namespace ringattn {

// One device of the ring: the block that visits it, its work, its link, and the pen that writes down the
// facts.
template <class T>
class Device {
 public:
  Device(int device, int devices, Work<T>& work, Link<T>& link, Recorder& facts);

  void begin();
  void send_on(int step);    // posts the block it holds to the next device
  void attend(int step);     // works on it, and joins what the devices before found out for its owner
  void take_next(int step);  // sends the result after the block, waits for the next block and holds it
  void finish();             // takes home what all devices found out for its own block

 private:
  bool last(int step) const { return step == devices_ - 1; }
  bool has_results() const { return !work_.behind().empty(); }
  void send(int step, Lane lane, const Block<T>& block);
  void receive(int step, Lane lane, Block<T>& block);

  int device_, devices_;
  Work<T>& work_;
  Link<T>& link_;
  Recorder& facts_;
  Block<T> visitor_;                // travels ahead
  Block<T> result_;                 // follows behind
  std::vector<Shape> home_shapes_;  // of the results for the own block
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
Device<T>::Device(int device, int devices, Work<T>& work, Link<T>& link, Recorder& facts)
    : device_(device), devices_(devices), work_(work), link_(link), facts_(facts) {}

template <class T>
void Device<T>::begin() {
  facts_.run_begins(work_.pass());
  for (const auto& [what, bytes] : work_.holdings()) facts_.holds(what, bytes);
  visitor_ = work_.home();
}

template <class T>
void Device<T>::send_on(int step) {
  if (!last(step)) send(step, Lane::ahead, visitor_);
}

template <class T>
void Device<T>::attend(int step) {
  result_ = work_.attend(step, visitor_, facts_);
  if (step == 0) home_shapes_ = shapes_of(result_);
  if (!has_results() || step == 0) return;
  Block<T> arrived;
  receive(step, Lane::behind, arrived);
  check_shapes(arrived, shapes_of(result_), device_);
  work_.join(step, result_, std::move(arrived), facts_);
}

template <class T>
void Device<T>::take_next(int step) {
  if (has_results()) send(step, Lane::behind, result_);
  result_ = {};
  if (!last(step)) receive(step, Lane::ahead, visitor_);
}

template <class T>
void Device<T>::finish() {
  if (has_results()) {
    Block<T> result;
    receive(devices_ - 1, Lane::behind, result);
    check_shapes(result, home_shapes_, device_);
    work_.take_home(std::move(result));
  }
  visitor_ = {};
  facts_.finalized();
  for (const auto& [what, bytes] : work_.holdings()) facts_.releases(what, bytes);
  facts_.run_ends();
}

template <class T>
void Device<T>::send(int step, Lane lane, const Block<T>& block) {
  facts_.wait_begins(step, "send_buffer");
  const double empty_since = link_.reserve(device_, lane);
  facts_.wait_ends(empty_since);

  const std::string_view what = lane == Lane::ahead ? work_.ahead() : work_.behind();
  const Stamp stamp = facts_.sends(step, next_device(device_, devices_), block.owner, what, block.bytes());
  link_.send(device_, lane, {block, stamp});
  facts_.send_posted();
}

template <class T>
void Device<T>::receive(int step, Lane lane, Block<T>& block) {
  facts_.wait_begins(step, "recv");
  Message<T> held{std::move(block), {}};
  link_.receive(device_, lane, held, facts_.now());
  facts_.wait_ends(held.stamp.arrives_t, held.stamp.sent);

  block = std::move(held.block);
  const std::string_view what = lane == Lane::ahead ? work_.ahead() : work_.behind();
  facts_.received(step, previous_device(device_, devices_), block.owner, what, block.bytes(), held.stamp);
}

}  // namespace ringattn
