#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace ringattn {

// A run emits facts, one event each. Whatever is drawn, exported or summed up is read from these and nothing
// else.
enum class EventKind { run, alloc, free, send, recv, wait, compute, row, merge, grad_hop, finalize, check };

// Work that lasts has a begin and an end with the same id; the rest are points in time.
enum class EventPhase { begin, end, point };

// A device does one thing at a time in each lane.
enum class EventLane { compute, send, recv, wait, memory };

struct EventId {
  std::int32_t device = -1;    // -1: nobody
  std::int32_t sequence = -1;  // counts the events of the device, a begin and its end as one

  explicit operator bool() const { return device >= 0; }
  bool operator==(const EventId&) const = default;
};

// One query row of one head, before and after it absorbed a block (or merged a state).
struct RowUpdate {
  std::int64_t batch = 0, head = 0, row = 0;  // row: in the global sequence
  double m_before = 0, l_before = 0, m_after = 0, l_after = 0;
  double alpha = 1;  // exp(m_before - m_after), by which l and O shrank
  std::vector<double> O_before, O_after;

  // Against each key of the block, in the order of the block; -inf: hidden. Empty where states were merged
  std::vector<double> scores;
  double score_magnitude = 0;  // the largest scale |q| . |k|, in proportion to which scores are rounded
};

struct Event {
  EventId id;
  EventKind kind = EventKind::run;
  EventPhase phase = EventPhase::point;
  EventLane lane = EventLane::compute;
  int step = -1;                   // of the ring; -1: before the first or after the last
  double t = 0;                    // virtual nanoseconds, deterministic
  std::int64_t w = 0;              // wall nanoseconds since the run began
  std::array<EventId, 2> cause{};  // events that this one had to wait for

  int peer = -1;                // send: to whom; recv: from whom
  int owner = -1;               // the device whose block is sent, received or attended to
  std::string_view what;        // what is held or travels: "Q", "K V", "dK dV", "m l O", ...; static text
  std::string_view why;         // wait: "recv" or "send_buffer"; static text
  std::string_view mask_class;  // compute: "full", "partial" or "skipped"; static text
  std::int64_t bytes = 0;       // alloc, free, send, recv
  // recv: how long the message travelled, and for how much of that the receiver had nothing else to do
  double transfer_t = 0, exposed_t = 0;        // virtual nanoseconds
  std::int64_t transfer_w = 0, exposed_w = 0;  // wall nanoseconds
  std::int64_t live_pairs = 0;          // compute: pairs of query and key, over sequences and query heads
  double value = 0;                     // check: the error
  std::shared_ptr<const RowUpdate> row;  // row
};

// Takes events as they happen. Calls for one device come from one thread at a time; devices call
// concurrently.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual void write(const Event& event) = 0;
};

// How fast the virtual hardware is, and how fast a throttled link.
struct CostModel {
  double ns_per_pair = 1;  // arithmetic for one live pair of query and key of one head
  double link_gbps = 0;    // 10^9 bits per second in one direction; 0: infinitely fast
  double link_latency_us = 0;

  double transfer_ns(std::int64_t bytes) const {
    return link_gbps > 0 ? 8 * static_cast<double>(bytes) / link_gbps : 0;
  }
  double latency_ns() const { return 1e3 * link_latency_us; }
};

}  // namespace ringattn
