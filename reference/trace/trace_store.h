#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

// All events of a run, append-only, one buffer a device. No lock: each device fills its own buffer, and
// whoever looks on while the run is going sees of each device what it has emitted so far, in whole events.
class TraceStore : public TraceSink {
 public:
  explicit TraceStore(int devices);

  void write(const Event& event) override;

  // In the order of saved files: by (t, device, sequence), a begin before its end
  std::vector<Event> events() const;

  // How many events there are so far
  std::size_t size() const;

  // What one device has emitted so far, in the order in which it did
  std::vector<Event> events_of(int device) const;

 private:
  // Events never move once they stand in a chunk
  struct Chunk {
    static constexpr std::size_t capacity = 64;
    std::array<Event, capacity> events;
    std::unique_ptr<Chunk> next;
  };

  // A cache line of its own, so that devices do not slow each other down
  struct alignas(64) Buffer {
    std::unique_ptr<Chunk> first = std::make_unique<Chunk>();
    Chunk* last = first.get();
    std::atomic<std::size_t> count = 0;  // what lies before it is complete and visible to everybody

    Buffer() = default;
    Buffer(const Buffer&) = delete;
    ~Buffer();
  };

  std::vector<Buffer> buffers_;
};

// By (t, device, sequence), a begin before its end
void sort_events(std::vector<Event>& events);

}  // namespace ringattn
