#include "reference/files/trace_file.h"

#include <algorithm>
#include <optional>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/device_count.h"
#include "reference/definition/layout.h"
#include "reference/files/input_file.h"
#include "reference/files/json_fields.h"
#include "reference/files/output_file.h"
#include "reference/strategies/strategy.h"
#include "reference/trace/event_names.h"
#include "reference/trace/export/json_lines.h"
#include "reference/trace/export/perfetto.h"
#include "reference/trace/trace_store.h"

namespace ringattn {

namespace {

constexpr std::size_t max_passes = 16;

// The value of a field that must be one of _words_
std::string one_of(const JsonFields& fields, const char* key, const std::vector<std::string>& words) {
  std::string text = fields.string(key);
  std::string list;
  for (const std::string& word : words) {
    if (text == word) return text;
    list += (list.empty() ? "" : ", ") + word;
  }
  fields.fail(key, "one of " + list);
}

TraceHeader parse_header(const JsonFields& fields) {
  TraceHeader header;
  header.schema =
      static_cast<int>(fields.integer("schema", TraceHeader::current_schema, TraceHeader::current_schema));
  header.engine_version = fields.string("engine_version");
  header.devices = static_cast<int>(fields.integer("devices", 1, max_devices));
  header.batch = fields.integer("batch", 0, INT64_MAX);
  header.Sq = fields.integer("seq", 0, INT64_MAX);
  header.Skv = fields.integer("kv_seq", 0, INT64_MAX);
  header.heads = fields.integer("heads", 0, INT64_MAX);
  header.kv_heads = fields.integer("kv_heads", 0, INT64_MAX);
  header.head_dim = fields.integer("dim", 0, INT64_MAX);
  header.v_dim = fields.integer("v_dim", 0, INT64_MAX);
  header.layout = one_of(fields, "layout", layout_names());
  header.rotate = one_of(fields, "rotate", {"kv", "q"});
  if (fields.has("strategy")) header.strategy = one_of(fields, "strategy", strategy_names());
  const bool grouped = header.strategy == "usp" || header.strategy == "double-ring";
  if (grouped || fields.has("group"))
    header.group = static_cast<int>(fields.integer("group", 1, header.devices));
  header.dtype = one_of(fields, "dtype", {"f64", "f32", "bf16", "f16"});
  if (fields.has("sinks")) header.sinks = fields.numbers("sinks");
  header.overlap = fields.boolean("overlap");
  header.transport = fields.string("transport");
  header.passes = fields.strings("passes");
  if (header.passes.size() > max_passes) fields.fail("passes", "at most 16");
  header.cost.ns_per_pair = fields.finite_number("ns_per_pair");
  header.cost.link_gbps = fields.finite_number("link_gbps");
  header.cost.link_latency_us = fields.finite_number("link_latency_us");
  if (fields.has("devices_per_node")) {
    header.cost.devices_per_node = static_cast<int>(fields.integer("devices_per_node", 1, max_devices));
    header.cost.network_gbps = fields.finite_number("network_gbps");
    header.cost.network_latency_us = fields.finite_number("network_latency_us");
  }
  if (fields.has("two_way_devices"))
    header.cost.two_way_devices = static_cast<int>(fields.integer("two_way_devices", 1, header.devices));
  header.options = fields.string_map("options");
  return header;
}

// Parses the events of one file.
class EventParser {
 public:
  EventParser(const TraceHeader& header, TraceFile::StringPool& strings)
      : header_(header), strings_(strings) {}

  Event parse(const JsonFields& fields) {
    Event event;
    event.id = id(fields, "id", fields.string("id"));
    if (fields.integer("device", 0, header_.devices - 1) != event.id.device)
      fields.fail("device", "the device of the id");
    event.kind = enum_value(fields, "kind", event_kind, "a kind of event");
    event.phase = enum_value(fields, "at", event_phase, "begin, end or point");
    event.lane = enum_value(fields, "lane", event_lane, "a lane");
    event.step = int_of(fields, "step", -1, INT32_MAX);
    event.t = fields.finite_number("t");
    if (fields.has("w")) event.w = fields.integer("w", INT64_MIN, INT64_MAX);

    const std::vector<std::string> causes = fields.strings("cause");
    if (causes.size() > event.cause.size()) fields.fail("cause", "at most two ids");
    for (std::size_t i = 0; i < causes.size(); ++i) event.cause[i] = id(fields, "cause", causes[i]);
    parse_payload(fields, event);
    return event;
  }

 private:
  static int int_of(const JsonFields& fields, const char* key, std::int64_t minimum, std::int64_t maximum) {
    return static_cast<int>(fields.integer(key, minimum, maximum));
  }
  int device(const JsonFields& fields, const char* key) const {
    return int_of(fields, key, 0, header_.devices - 1);
  }

  EventId id(const JsonFields& fields, const char* key, const std::string& text) const {
    const std::optional<EventId> id = event_id(text);
    if (!id || id->device >= header_.devices) fields.fail(key, "\"device.sequence\"");
    return *id;
  }

  template <class Enum>
  static Enum enum_value(const JsonFields& fields, const char* key,
                         std::optional<Enum> (*parse_name)(std::string_view), const char* what) {
    const std::optional<Enum> value = parse_name(fields.string(key));
    if (!value) fields.fail(key, what);
    return *value;
  }

  // Events refer to their texts by view, so the texts are kept in a pool with stable addresses
  std::string_view intern(const JsonFields& fields, const char* key) {
    return *strings_.insert(fields.string(key)).first;
  }

  void parse_payload(const JsonFields& fields, Event& event);
  void parse_transfer_times(const JsonFields& fields, Event& recv);
  void parse_compute(const JsonFields& fields, Event& event);

  const TraceHeader& header_;
  TraceFile::StringPool& strings_;
};

std::shared_ptr<const RowUpdate> parse_row(const JsonFields& fields) {
  auto row = std::make_shared<RowUpdate>();
  row->batch = fields.integer("batch", 0, INT64_MAX);
  row->head = fields.integer("head", 0, INT64_MAX);
  row->row = fields.integer("row", 0, INT64_MAX);
  row->m_before = fields.number("m_before");
  row->m_after = fields.number("m_after");
  row->alpha = fields.number("alpha");
  row->l_before = fields.number("l_before");
  row->l_after = fields.number("l_after");
  row->O_before = fields.numbers("O_before");
  row->O_after = fields.numbers("O_after");
  if (row->O_before.size() != row->O_after.size()) fields.fail("O_after", "as long as O_before");
  if (!fields.has("scores")) return row;
  row->scores = fields.numbers("scores");
  row->score_magnitude = fields.number("score_magnitude");
  return row;
}

void EventParser::parse_transfer_times(const JsonFields& fields, Event& recv) {
  recv.transfer_t = fields.finite_number("transfer_t");
  recv.exposed_t = fields.finite_number("exposed_t");
  if (fields.has("transfer_w")) recv.transfer_w = fields.integer("transfer_w", INT64_MIN, INT64_MAX);
  if (fields.has("exposed_w")) recv.exposed_w = fields.integer("exposed_w", INT64_MIN, INT64_MAX);
}

// One of the two blocks is the device's own; the owner of the event is that of the rotating block
void EventParser::parse_compute(const JsonFields& fields, Event& event) {
  const bool queries = header_.queries_rotate();
  const char* resident = queries ? "kv_owner" : "q_owner";
  if (device(fields, resident) != event.id.device)
    fields.fail(resident, "the device of the event, since the other block rotates");
  event.owner = device(fields, queries ? "q_owner" : "kv_owner");
  event.mask_class = intern(fields, "mask_class");
  event.live_pairs = fields.integer("live_pairs", 0, INT64_MAX);
}

void EventParser::parse_payload(const JsonFields& fields, Event& event) {
  constexpr std::int64_t max_bytes = std::int64_t{1} << 40;  // sums of millions of them do not overflow
  switch (event.kind) {
    case EventKind::alloc:
    case EventKind::free:
      event.what = intern(fields, "what");
      event.bytes = fields.integer("bytes", 0, max_bytes);
      break;
    case EventKind::send:
    case EventKind::recv:
      event.peer = device(fields, "peer");
      event.owner = device(fields, "owner");
      event.what = intern(fields, "what");
      event.bytes = fields.integer("bytes", 0, max_bytes);
      if (event.kind == EventKind::recv) parse_transfer_times(fields, event);
      break;
    case EventKind::wait:
      event.why = intern(fields, "why");
      break;
    case EventKind::compute:
      parse_compute(fields, event);
      break;
    case EventKind::row:
      event.owner = device(fields, "kv_owner");
      event.row = parse_row(fields);
      break;
    case EventKind::merge:
    case EventKind::grad_hop:
      event.owner = device(fields, "owner");
      break;
    case EventKind::check:
      event.what = intern(fields, "what");
      event.value = fields.number("value");
      break;
    case EventKind::run:
      event.what = intern(fields, "what");
      break;
    case EventKind::finalize:
      break;
  }
}

// Removes the first line from _bytes_ and returns it
std::string_view next_line(std::string_view& bytes) {
  const std::string_view line = bytes.substr(0, bytes.find('\n'));
  bytes.remove_prefix(std::min(bytes.size(), line.size() + 1));
  return line;
}

}  // namespace

TraceFile parse_trace(std::string_view bytes, const std::string& error_prefix) {
  const std::string what_to_do = "use a complete file written by --trace";
  require(!bytes.empty(), error_prefix, "a trace must start with a header; the file is empty; ", what_to_do);
  const auto strings = std::make_shared<TraceFile::StringPool>();
  TraceFile trace;
  trace.strings = strings;
  trace.header = parse_header({next_line(bytes), error_prefix + "line 1: ", what_to_do});

  EventParser parser(trace.header, *strings);
  for (int number = 2; !bytes.empty(); ++number)
    trace.events.push_back(
        parser.parse({next_line(bytes), error_prefix + "line " + std::to_string(number) + ": ", what_to_do}));
  sort_events(trace.events);
  return trace;
}

TraceFile read_trace(const std::filesystem::path& path) {
  InputFile file("trace", path);
  std::string bytes(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(bytes)));
  return parse_trace(bytes, file.error_prefix());
}

void write_trace(const std::filesystem::path& path, const TraceHeader& header,
                 std::span<const Event> events) {
  OutputFile file(path);
  write_json_lines(file.stream(), header, events);
  file.commit();
}

void write_perfetto_beside(const std::filesystem::path& path, std::span<const Event> events) {
  OutputFile file(path.string() + ".perfetto.json");
  write_perfetto(file.stream(), events);
  file.commit();
}

}  // namespace ringattn
