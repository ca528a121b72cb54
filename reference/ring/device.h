#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "reference/comm/link.h"
#include "reference/ring/programs/device_program.h"
#include "reference/ring/schedule.h"

namespace ringattn {

// One device of the ring: its program computes, the device communicates. It holds the resident block, calls the program
// to attend to it, and sends and receives over the link. Each send, receive and wait becomes an event of the recorder.
//
//   channel blocks    the resident block, P - 1 hops: every device attends to it
//   channel results   the results for its owner, P hops, one step later: each device adds its contribution,
//
//                       sent to r + 1  =  arrived from r - 1 (none at step 0)  +  computed on r
//
// Only passes with results use the second channel (see PassDescription).
template <class T>
class Device {
 public:
  Device(int device, int devices, DeviceProgram<T>& program, Link<T>& link, Recorder& recorder);

  void begin();              // makes the own block resident
  void send_on(int step);    // sends the resident block to the next device, except in the last step
  void attend(int step);     // computes with the resident block, and adds the results that arrive
  void take_next(int step);  // sends the results to the next device, then waits for the next block
  void finish();             // waits for the complete results of the own block

 private:
  bool last(int step) const { return step == devices_ - 1; }
  bool has_results() const { return !pass_.results.empty(); }
  std::string_view name_of(Channel channel) const {
    return channel == Channel::blocks ? pass_.blocks : pass_.results;
  }
  void send(int step, Channel channel, const Block<T>& block);
  void receive(int step, Channel channel, Block<T>& block);

  int device_, devices_;
  DeviceProgram<T>& program_;
  Link<T>& link_;
  Recorder& recorder_;
  PassDescription pass_;
  Block<T> resident_;  // the block that this device holds
  Block<T> result_;    // the results for its owner
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
Device<T>::Device(int device, int devices, DeviceProgram<T>& program, Link<T>& link, Recorder& recorder)
    : device_(device),
      devices_(devices),
      program_(program),
      link_(link),
      recorder_(recorder),
      pass_(program.description()) {}

template <class T>
void Device<T>::begin() {
  recorder_.begin_run(pass_.pass);
  for (const auto& [name, bytes] : pass_.allocations) recorder_.record_alloc(name, bytes);
  resident_ = program_.own_block();
}

template <class T>
void Device<T>::send_on(int step) {
  if (!last(step)) send(step, Channel::blocks, resident_);
}

template <class T>
void Device<T>::attend(int step) {
  // Compute this device's contribution
  result_ = program_.attend(step, resident_);
  if (step == 0) own_result_shapes_ = shapes_of(result_);

  // Add the contributions of earlier devices; at step 0 the block is the own one, and there are none
  if (!has_results() || step == 0) return;
  Block<T> arrived;
  receive(step, Channel::results, arrived);
  check_shapes(arrived, shapes_of(result_), device_);
  program_.accumulate(step, result_, std::move(arrived));
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
    Block<T> results;
    receive(devices_ - 1, Channel::results, results);
    check_shapes(results, own_result_shapes_, device_);
    program_.accept_results(std::move(results));
  }
  resident_ = {};
  // Free all buffers of the pass
  recorder_.record_finalize();
  for (const auto& [name, bytes] : pass_.allocations) recorder_.record_free(name, bytes);
  recorder_.end_run();
}

// ---- Messages and their events -------------------------------------------------------

template <class T>
void Device<T>::send(int step, Channel channel, const Block<T>& block) {
  // Wait until the slot of the next device is empty
  recorder_.begin_wait(step, "send_buffer");
  const double empty_since = link_.reserve(device_, channel);
  recorder_.end_wait(empty_since);

  // Send; the receiver records the timing
  const MessageTiming timing = recorder_.begin_send(step, next_device(device_, devices_), block.owner,
                                                    name_of(channel), block.bytes());
  link_.send(device_, channel, {block, timing});
  recorder_.end_send();
}

template <class T>
void Device<T>::receive(int step, Channel channel, Block<T>& block) {
  // Wait for the message; the link reuses the memory of the block that it replaces
  recorder_.begin_wait(step, "recv");
  Message<T> held{std::move(block), {}};
  link_.receive(device_, channel, held, recorder_.now());
  recorder_.end_wait(held.timing.arrives_t, held.timing.sent);

  block = std::move(held.block);
  recorder_.record_recv(step, previous_device(device_, devices_), block.owner, name_of(channel),
                        block.bytes(), held.timing);
}

}  // namespace ringattn
