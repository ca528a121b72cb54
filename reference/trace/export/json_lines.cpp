#include "reference/trace/export/json_lines.h"

#include "reference/trace/event_names.h"
#include "reference/trace/export/json_text.h"

namespace ringattn {

namespace {

std::string json(std::string_view text) { return json_text(text); }
std::string json(const std::string& text) { return json_text(text); }
std::string json(double x) { return json_number(x); }
std::string json(bool x) { return x ? "true" : "false"; }
std::string json(int x) { return std::to_string(x); }
std::string json(std::int64_t x) { return std::to_string(x); }

template <class T>
std::string json(const std::vector<T>& list) {
  std::string text = "[";
  for (const T& each : list) text += (text.size() > 1 ? ", " : "") + json(each);
  return text + "]";
}

// Writes one JSON object on one line.
class Line {
 public:
  explicit Line(std::ostream& os) : os_(os) {}
  ~Line() { os_ << "}\n"; }

  template <class T>
  void field(std::string_view key, const T& value) {
    raw(key, json(value));
  }
  void raw(std::string_view key, const std::string& value) {
    os_ << (first_ ? "{" : ", ") << json_text(key) << ": " << value;
    first_ = false;
  }

 private:
  std::ostream& os_;
  bool first_ = true;
};

void write_header(std::ostream& os, const TraceHeader& header) {
  Line line(os);
  line.field("schema", header.schema);
  line.field("engine_version", header.engine_version);
  line.field("devices", header.devices);
  line.field("batch", header.batch);
  line.field("seq", header.Sq);
  line.field("kv_seq", header.Skv);
  line.field("heads", header.heads);
  line.field("kv_heads", header.kv_heads);
  line.field("dim", header.head_dim);
  line.field("v_dim", header.v_dim);
  line.field("layout", header.layout);
  line.field("rotate", header.rotate);
  if (!header.is_ring()) line.field("strategy", header.strategy);
  if (header.group > 0) line.field("group", header.group);
  line.field("dtype", header.dtype);
  if (!header.sinks.empty()) line.field("sinks", header.sinks);
  line.field("overlap", header.overlap);
  line.field("transport", header.transport);
  line.field("passes", header.passes);
  line.field("ns_per_pair", header.cost.ns_per_pair);
  line.field("link_gbps", header.cost.link_gbps);
  line.field("link_latency_us", header.cost.link_latency_us);
  if (header.cost.devices_per_node > 0) {
    line.field("devices_per_node", header.cost.devices_per_node);
    line.field("network_gbps", header.cost.network_gbps);
    line.field("network_latency_us", header.cost.network_latency_us);
  }
  if (header.cost.two_way_devices > 0) line.field("two_way_devices", header.cost.two_way_devices);

  std::string options = "{";
  for (const auto& [option, value] : header.options)
    options += (options.size() > 1 ? ", " : "") + json_text(option) + ": " + json_text(value);
  line.raw("options", options + "}");
}

// The softmax state of a row before and after the event, and the scores if recorded
void write_row(Line& line, const RowUpdate& row) {
  line.field("batch", row.batch);
  line.field("head", row.head);
  line.field("row", row.row);
  line.field("m_before", row.m_before);
  line.field("m_after", row.m_after);
  line.field("alpha", row.alpha);
  line.field("l_before", row.l_before);
  line.field("l_after", row.l_after);
  line.field("O_before", row.O_before);
  line.field("O_after", row.O_after);
  if (row.scores.empty()) return;
  line.field("scores", row.scores);
  line.field("score_magnitude", row.score_magnitude);
}

void write_transfer_times(Line& line, const Event& recv, WallTimes wall_times) {
  line.field("transfer_t", recv.transfer_t);
  line.field("exposed_t", recv.exposed_t);
  if (wall_times == WallTimes::omit) return;
  line.field("transfer_w", recv.transfer_w);
  line.field("exposed_w", recv.exposed_w);
}

// The fields that the kind of the event defines
void write_payload(Line& line, const TraceHeader& header, const Event& event, WallTimes wall_times) {
  switch (event.kind) {
    case EventKind::alloc:
    case EventKind::free:
      line.field("what", event.what);
      line.field("bytes", event.bytes);
      break;
    case EventKind::send:
    case EventKind::recv:
      line.field("peer", event.peer);
      line.field("owner", event.owner);
      line.field("what", event.what);
      line.field("bytes", event.bytes);
      if (event.kind == EventKind::recv) write_transfer_times(line, event, wall_times);
      break;
    case EventKind::wait:
      line.field("why", event.why);
      break;
    case EventKind::compute:
      line.field("q_owner", header.queries_rotate() ? event.owner : event.id.device);
      line.field("kv_owner", header.queries_rotate() ? event.id.device : event.owner);
      line.field("mask_class", event.mask_class);
      line.field("live_pairs", event.live_pairs);
      break;
    case EventKind::row:
      line.field("kv_owner", event.owner);
      if (event.row) write_row(line, *event.row);
      break;
    case EventKind::merge:
    case EventKind::grad_hop:
      line.field("owner", event.owner);
      break;
    case EventKind::check:
      line.field("what", event.what);
      line.field("value", event.value);
      break;
    case EventKind::run:
      line.field("what", event.what);
      break;
    case EventKind::finalize:
      break;
  }
}

// First the fields that all events have, then those of its kind
void write_event(std::ostream& os, const TraceHeader& header, const Event& event, WallTimes wall_times) {
  Line line(os);
  line.field("id", to_string(event.id));
  line.field("at", name(event.phase));
  line.field("kind", name(event.kind));
  line.field("device", event.id.device);
  line.field("lane", name(event.lane));
  line.field("step", event.step);
  line.field("t", event.t);
  if (wall_times == WallTimes::keep) line.field("w", event.w);
  std::vector<std::string> causes;
  for (const EventId& cause : event.cause)
    if (cause) causes.push_back(to_string(cause));
  line.field("cause", causes);
  write_payload(line, header, event, wall_times);
}

}  // namespace

void write_json_lines(std::ostream& os, const TraceHeader& header, std::span<const Event> events,
                      WallTimes wall_times) {
  write_header(os, header);
  for (const Event& event : events) write_event(os, header, event, wall_times);
}

}  // namespace ringattn
