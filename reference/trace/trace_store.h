#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "reference/trace/event.h"

namespace ringattn {

// Stores all events of a run in memory, in one append-only buffer for each device.
//
// Readers may call events() while devices are writing. There is no lock: each buffer has one writer, which first stores
// an event and then publishes the new count (release); a reader loads the count (acquire) and reads only events below
// it. A buffer is a list of chunks, so that events never move:
//
//   buffer of a device:  [64 events] -> [64 events] -> [23 events]     count = 151
class TraceStore : public TraceSink {
 public:
  explicit TraceStore(int devices);

  void write(const Event& event) override;

  // All events so far, by (t, device, sequence), a begin before its end: the order of trace files
  std::vector<Event> events() const;

  // The number of events so far
  std::size_t size() const;

  // The events of one device so far, in the order of emission
  std::vector<Event> events_of(int device) const;

 private:
  struct Chunk {
    static constexpr std::size_t capacity = 64;
    std::array<Event, capacity> events;
    std::unique_ptr<Chunk> next;
  };

  // Aligned to a cache line: threads of different devices do not write to the same line
  struct alignas(64) Buffer {
    std::unique_ptr<Chunk> first = std::make_unique<Chunk>();
    Chunk* last = first.get();
    std::atomic<std::size_t> count = 0;  // events below this index are complete and may be read by any thread

    Buffer() = default;
    Buffer(const Buffer&) = delete;
    ~Buffer();
  };

  std::vector<Buffer> buffers_;
};

// Sorts by (t, device, sequence), a begin before its end
void sort_events(std::vector<Event>& events);

}  // namespace ringattn
