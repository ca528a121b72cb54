#pragma once

#include <array>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

// A duration on both clocks: measured, and according to the cost model.
struct Duration {
  double wall_seconds = 0, virtual_ns = 0;

  Duration& operator+=(const Duration& other);
};

// Communication time, and the part of it that was not hidden by arithmetic: sums over recv events.
struct Overlap {
  Duration transfer;  // duration of all transfers
  Duration exposed;   // the part of it during which the receiver was waiting

  // 1 - exposed / transfer, in 0 .. 1; NaN if transfers took no time
  double hidden_fraction_wall() const;
  double hidden_fraction_virtual() const;
};

// Totals of one device.
struct DeviceSummary {
  std::int64_t peak_bytes = 0;  // largest amount of memory held at one time
  std::int64_t bytes_sent = 0;
  Duration busy;              // time spent in arithmetic
  Duration wait_recv;         // time spent waiting for messages, including messages that were sent late
  Duration wait_send_buffer;  // time spent waiting for a free slot of the next device
  Overlap messages;           // messages received
};

// Summarises a run in progress, with constant memory per device. The time that a receiver waits for a message
// before it is sent counts as waiting, not as exposed transfer: a faster link would not shorten it.
class Summary : public TraceSink {
 public:
  explicit Summary(int devices);

  void write(const Event& event) override;

  // Call these after the run
  std::vector<DeviceSummary> devices() const;
  Overlap overlap() const;  // of all messages

 private:
  // Aligned to a cache line: threads of different devices do not write to the same line
  struct alignas(64) Device {
    DeviceSummary summary;
    std::int64_t bytes_held = 0;
    std::array<Event, 5> open;  // the open begin event of each lane
  };
  static void on_point(Device& device, const Event& event);
  static void on_end(Device& device, const Event& event);

  std::vector<Device> devices_;
};

}  // namespace ringattn
