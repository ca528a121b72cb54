#pragma once

#include <array>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

// The same length of time on both clocks: measured, and as the cost model has it.
struct Duration {
  double wall_seconds = 0, virtual_ns = 0;

  Duration& operator+=(const Duration& other);
};

// Communication, and how much of it arithmetic did not hide: the sums of what the recv events say.
struct Overlap {
  Duration transfer;  // how long messages travelled
  Duration exposed;   // for how much of that the receiver had nothing else to do

  // 1 - exposed / transfer, in 0 .. 1; NaN where nothing took time to travel
  double hidden_fraction_wall() const;
  double hidden_fraction_virtual() const;
};

// What one device did, in numbers.
struct DeviceSummary {
  std::int64_t peak_bytes = 0;  // the most that it held at once
  std::int64_t bytes_sent = 0;
  Duration busy;              // in arithmetic
  Duration wait_recv;         // for messages, those included that were sent late
  Duration wait_send_buffer;  // for room in the slot of the next device
  Overlap messages;           // those that it received
};

// Sums a run up while it is going, in constant memory per device however long the run. What a receiver waits
// for a message that has not even been sent counts as waiting but not as exposed transfer: a faster link
// would not help.
class Summary : public TraceSink {
 public:
  explicit Summary(int devices);

  void write(const Event& event) override;

  // After the run
  std::vector<DeviceSummary> devices() const;
  Overlap overlap() const;  // of all messages

 private:
  // A cache line of its own, so that devices do not slow each other down
  struct alignas(64) Device {
    DeviceSummary summary;
    std::int64_t bytes_held = 0;
    std::array<Event, 5> open;  // what has begun, by lane
  };
  static void on_point(Device& device, const Event& event);
  static void on_end(Device& device, const Event& event);

  std::vector<Device> devices_;
};

}  // namespace ringattn
