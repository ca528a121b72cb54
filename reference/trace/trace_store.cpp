#include "reference/trace/trace_store.h"

#include <algorithm>
#include <tuple>

namespace ringattn {

// Frees the chunks in a loop: the default destructor would recurse once for each chunk and exhaust the stack
TraceStore::Buffer::~Buffer() {
  while (first) first = std::move(first->next);
}

TraceStore::TraceStore(int devices) : buffers_(static_cast<std::size_t>(devices)) {}

void TraceStore::write(const Event& event) {
  Buffer& buffer = buffers_.at(static_cast<std::size_t>(event.id.device));
  const std::size_t count = buffer.count.load(std::memory_order_relaxed);
  const std::size_t slot = count % Chunk::capacity;
  if (slot == 0 && count > 0) {
    buffer.last->next = std::make_unique<Chunk>();
    buffer.last = buffer.last->next.get();
  }
  buffer.last->events[slot] = event;
  buffer.count.store(count + 1, std::memory_order_release);
}

std::size_t TraceStore::size() const {
  std::size_t sum = 0;
  for (const Buffer& buffer : buffers_) sum += buffer.count.load(std::memory_order_acquire);
  return sum;
}

std::vector<Event> TraceStore::events_of(int device) const {
  const Buffer& buffer = buffers_.at(static_cast<std::size_t>(device));
  std::vector<Event> events;
  std::size_t left = buffer.count.load(std::memory_order_acquire);
  events.reserve(left);
  for (const Chunk* chunk = buffer.first.get(); left > 0; chunk = chunk->next.get()) {
    const std::size_t in_chunk = std::min(left, Chunk::capacity);
    events.insert(events.end(), chunk->events.begin(),
                  chunk->events.begin() + static_cast<std::ptrdiff_t>(in_chunk));
    left -= in_chunk;
    if (left == 0) break;
  }
  return events;
}

std::vector<Event> TraceStore::events() const {
  std::vector<Event> all;
  for (int device = 0; device < static_cast<int>(buffers_.size()); ++device) {
    const std::vector<Event> some = events_of(device);
    all.insert(all.end(), some.begin(), some.end());
  }
  sort_events(all);
  return all;
}

void sort_events(std::vector<Event>& events) {
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::tie(a.t, a.id.device, a.id.sequence) < std::tie(b.t, b.id.device, b.id.sequence);
  });
}

}  // namespace ringattn
