#pragma once

#include "reference/ring/link.h"
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

}  // namespace ringattn
