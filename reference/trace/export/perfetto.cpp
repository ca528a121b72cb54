#include "reference/trace/export/perfetto.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "reference/trace/event_names.h"
#include "reference/trace/export/json_text.h"
#include "reference/trace/spans.h"

namespace ringattn {

namespace {

constexpr EventLane exported_lanes[] = {EventLane::compute, EventLane::send, EventLane::recv,
                                        EventLane::wait};

int thread_of(EventLane lane) { return static_cast<int>(lane) + 1; }

std::int64_t whole_ns(double t) { return std::llround(std::clamp(t, 0.0, 9e18)); }

// The format has microseconds, with decimals
std::string microseconds(std::int64_t ns) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%lld.%03d", static_cast<long long>(ns / 1000),
                static_cast<int>(ns % 1000));
  return digits;
}

std::string title(const Event& event) {
  const std::string owner = std::to_string(event.owner), peer = std::to_string(event.peer), what(event.what);
  switch (event.kind) {
    case EventKind::send:
      return "send " + what + " of " + owner + " to " + peer;
    case EventKind::recv:
      return "receive " + what + " of " + owner + " from " + peer;
    case EventKind::wait:
      return "wait: " + std::string(event.why);
    case EventKind::compute:
      return "attend to " + owner + " (" + std::string(event.mask_class) + ")";
    case EventKind::merge:
    case EventKind::grad_hop:
      return std::string(name(event.kind)) + " for " + owner;
    default:
      return std::string(name(event.kind));
  }
}

std::string details(const Event& event) {
  std::string text =
      "{\"id\": " + json_text(to_string(event.id)) + ", \"step\": " + std::to_string(event.step);
  if (event.bytes) text += ", \"bytes\": " + std::to_string(event.bytes);
  if (event.kind == EventKind::compute) text += ", \"live_pairs\": " + std::to_string(event.live_pairs);
  return text + "}";
}

// Writes the events of the format, one on each line.
class Writer {
 public:
  explicit Writer(std::ostream& os) : os_(os) { os_ << "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n"; }
  ~Writer() { os_ << "\n]}\n"; }

  void device(int device) {
    metadata(device, 0, "process_name", "{\"name\": \"device " + std::to_string(device) + "\"}");
    metadata(device, 0, "process_sort_index", "{\"sort_index\": " + std::to_string(device) + "}");
    for (const EventLane lane : exported_lanes)
      metadata(device, thread_of(lane), "thread_name", "{\"name\": " + json_text(name(lane)) + "}");
  }

  void slice(const Span& span) {
    const Event& event = *span.begin;
    head("X", event) << ", \"dur\": " << microseconds(whole_ns(span.end->t) - whole_ns(event.t))
                     << ", \"cat\": " << json_text(name(event.kind))
                     << ", \"name\": " << json_text(title(event)) << ", \"args\": " << details(event) << '}';
  }

  void instant(const Event& event) {
    head("i", event) << ", \"s\": \"t\", \"name\": " << json_text(title(event))
                     << ", \"args\": " << details(event) << '}';
  }

  // One end of the arrow of a message: it starts ("s") at the slice of the send and ends ("f") at that of the receive
  void arrow(const char* phase, int message, const Event& event) {
    head(phase, event) << ", \"bp\": \"e\", \"id\": " << message
                       << ", \"cat\": \"message\", \"name\": \"message\"}";
  }

  void memory(const Event& event, std::int64_t bytes) {
    head("C", event) << ", \"name\": \"memory\", \"args\": {\"bytes\": " << bytes << "}}";
  }

 private:
  std::ostream& head(const char* phase, int process, int thread, std::int64_t t) {
    os_ << (first_ ? "" : ",\n") << "{\"ph\": \"" << phase << "\", \"pid\": " << process
        << ", \"tid\": " << thread << ", \"ts\": " << microseconds(t);
    first_ = false;
    return os_;
  }
  std::ostream& head(const char* phase, const Event& event) {
    return head(phase, event.id.device, thread_of(event.lane), whole_ns(event.t));
  }

  void metadata(int process, int thread, const char* key, const std::string& value) {
    head("M", process, thread, 0) << ", \"name\": \"" << key << "\", \"args\": " << value << '}';
  }

  std::ostream& os_;
  bool first_ = true;
};

// Numbers the arrows in order of first use; either end of an arrow may come first
class Messages {
 public:
  int number(EventId sent) {
    const auto key = std::pair(sent.device, sent.sequence);
    return numbers_.try_emplace(key, static_cast<int>(numbers_.size()) + 1).first->second;
  }

 private:
  std::map<std::pair<int, int>, int> numbers_;
};

void write_device(Writer& writer, const Spans& spans, std::span<const Span> of_device, Messages& messages) {
  std::int64_t held = 0;
  for (const Span& span : of_device) {
    const Event& event = *span.begin;
    if (event.kind == EventKind::alloc || event.kind == EventKind::free) {
      held += event.kind == EventKind::alloc ? event.bytes : -event.bytes;
      writer.memory(event, held);
    } else if (span.has_duration() && span.end) {
      writer.slice(span);
      if (event.kind == EventKind::send) writer.arrow("s", messages.number(event.id), event);
      if (event.kind == EventKind::recv && spans.find(event.cause[0]))
        writer.arrow("f", messages.number(event.cause[0]), event);
    } else if (!span.has_duration() && event.kind != EventKind::row) {
      writer.instant(event);
    }
  }
}

}  // namespace

void write_perfetto(std::ostream& os, std::span<const Event> events) {
  const Spans spans(events);
  std::set<int> devices;
  for (const Span& span : spans.all()) devices.insert(span.begin->id.device);

  Writer writer(os);
  Messages messages;
  for (const int device : devices) {
    writer.device(device);
    write_device(writer, spans, spans.of(device), messages);
  }
}

}  // namespace ringattn
