#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace ringattn {

// A run emits a stream of events, one for each fact: an allocation, a message, a block of arithmetic. All pictures,
// exports, checks and summaries are computed from these events alone.
enum class EventKind { run, alloc, free, send, recv, wait, compute, row, merge, grad_hop, finalize, check };

// Work with a duration has a begin and an end event with the same id; all other events are points in time.
enum class EventPhase { begin, end, point };

// Each device has five lanes. The events of one lane do not overlap, except that a run encloses all others.
enum class EventLane { compute, send, recv, wait, memory };

// Identifies an event, or the begin and the end of work with a duration.
struct EventId {
  std::int32_t device = -1;    // -1: no event
  std::int32_t sequence = -1;  // number within the device, from 0; a begin and its end have the same number

  explicit operator bool() const { return device >= 0; }
  bool operator==(const EventId&) const = default;
};

// The softmax state of one query row of one head, before and after it absorbed a block or merged another state.
struct RowUpdate {
  std::int64_t batch = 0, head = 0, row = 0;  // row: index in the global sequence
  double m_before = 0, l_before = 0, m_after = 0, l_after = 0;
  double alpha = 1;  // exp(m_before - m_after), the factor by which l and O are rescaled
  std::vector<double> O_before, O_after;

  // One score for each key of the block, in the order of the block; -inf: hidden. Empty if states were merged
  std::vector<double> scores;
  double score_magnitude = 0;  // max |scale| |q| . |k|; rounding errors of scores are in proportion to it
};

struct Event {
  EventId id;
  EventKind kind = EventKind::run;
  EventPhase phase = EventPhase::point;
  EventLane lane = EventLane::compute;
  int step = -1;                   // ring step; -1: before the first or after the last
  double t = 0;                    // virtual time in nanoseconds, deterministic
  std::int64_t w = 0;              // wall time in nanoseconds since the start of the trace
  std::array<EventId, 2> cause{};  // the events that this one waited for

  int peer = -1;          // send: receiving device; recv: sending device
  int owner = -1;         // the device that owns the block sent, received or attended to
  std::string_view what;  // contents of the memory or message: "Q", "K V", "dK dV", "m l O", ...; static text
  std::string_view why;   // wait: "recv" or "send_buffer"; static text
  std::string_view mask_class;  // compute: "full", "partial" or "skipped"; static text
  std::int64_t bytes = 0;       // alloc, free, send, recv
  // recv: duration of the transfer, and the part of it during which the receiver was waiting for this message
  double transfer_t = 0, exposed_t = 0;        // virtual nanoseconds
  std::int64_t transfer_w = 0, exposed_w = 0;  // wall nanoseconds
  std::int64_t live_pairs = 0;  // compute: visible pairs of query and key, over sequences and query heads
  double value = 0;             // check: the error
  std::shared_ptr<const RowUpdate> row;  // row
};

// Consumes events as they happen. Calls for one device come from one thread at a time; calls for different devices are
// concurrent.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual void write(const Event& event) = 0;
};

// One of the links out of a device. Messages on one link follow each other; links do not delay each other.
struct OutgoingLink {
  static constexpr int most = 4;  // numbers are below

  int number = 0;
  double gbps = 0;        // 10^9 bits per second in one direction; 0: infinitely fast
  double latency_us = 0;  // microseconds, added to each message

  double transfer_ns(std::int64_t bytes) const {
    return gbps > 0 ? 8 * static_cast<double>(bytes) / gbps : 0;
  }
  double latency_ns() const { return 1e3 * latency_us; }
  bool is_network() const { return number >= 2; }
};

// The speed of the virtual hardware, and of a throttled link.
struct CostModel {
  // Of a tile in the backward pass, relative to the forward pass: five products of matrices in place of two
  // (FlashAttention-2, arXiv:2307.08691, section 4.1)
  static constexpr double backward_cost_ratio = 2.5;

  double ns_per_pair = 1;      // forward arithmetic for one visible pair of query and key of one head
  double link_gbps = 0;        // 10^9 bits per second in one direction; 0: infinitely fast
  double link_latency_us = 0;  // microseconds, added to each message

  // Devices a w .. a w + w - 1 are in one node. A message to another node takes a second link, the network
  int devices_per_node = 0;  // w; 0: all devices are in one node
  double network_gbps = 0, network_latency_us = 0;

  // The number of devices of a ring whose two directions have separate links; 0: they share one link
  int two_way_devices = 0;

  // The link that a message takes
  OutgoingLink link_between(int from, int to) const {
    const bool reverse =
        two_way_devices > 0 && 2 * ((to - from + two_way_devices) % two_way_devices) > two_way_devices;
    const int direction = reverse ? 1 : 0;
    if (devices_per_node > 0 && from / devices_per_node != to / devices_per_node)
      return {2 + direction, network_gbps, network_latency_us};
    return {direction, link_gbps, link_latency_us};
  }
  bool has_several_links() const { return devices_per_node > 0 || two_way_devices > 0; }

  double ns_per_pair_of(std::string_view pass) const {
    return (pass == "backward" ? backward_cost_ratio : 1) * ns_per_pair;
  }

  // Of the link inside a node
  double transfer_ns(std::int64_t bytes) const { return OutgoingLink{0, link_gbps, 0}.transfer_ns(bytes); }
  double latency_ns() const { return 1e3 * link_latency_us; }
};

}  // namespace ringattn
