// Tests of traces on one small run, constructed by hand: two devices, each with one query and one key.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <tuple>

#include "reference/files/trace_file.h"
#include "reference/trace/check/checker.h"
#include "reference/trace/export/json_lines.h"
#include "reference/trace/export/perfetto.h"
#include "reference/trace/recorder.h"
#include "reference/trace/summary.h"
#include "reference/trace/tee_sink.h"
#include "reference/trace/trace_store.h"
#include "tests/support/error_message.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/special_values.h"

using namespace ringattn;

namespace {

TraceHeader small_header() {
  TraceHeader header;
  header.engine_version = "by hand";
  header.devices = 2;
  header.Sq = header.Skv = 2, header.head_dim = 1, header.v_dim = 1;
  header.cost = {.ns_per_pair = 1, .link_gbps = 8, .link_latency_us = 0.05};  // 1 byte per ns, 50 ns latency
  header.options = {{"causal", "true"}, {"text", "a \"name\"\n\xff"}};
  return header;
}

// The row of a device attends to one key: its score becomes m
std::shared_ptr<RowUpdate> first_key(int row) {
  auto update = std::make_shared<RowUpdate>();
  update->row = row;
  update->m_before = -infinity, update->l_before = 0, update->O_before = {0};
  update->m_after = 1.0 / 3, update->l_after = 1, update->O_after = {0.7};
  update->alpha = 0;
  update->scores = {1.0 / 3}, update->score_magnitude = 1.0 / 3;
  return update;
}

// Then to two more keys: one is hidden, the other has a larger score
std::shared_ptr<RowUpdate> next_keys(int row) {
  const double alpha = std::exp(1.0 / 3 - 2);
  auto update = std::make_shared<RowUpdate>();
  update->row = row;
  update->m_before = 1.0 / 3, update->l_before = 1, update->O_before = {0.7};
  update->m_after = 2, update->l_after = alpha + 1, update->O_after = {0.7 * alpha + 5};
  update->alpha = alpha;
  update->scores = {-infinity, 2}, update->score_magnitude = 7;
  return update;
}

// Device 0 computes for 60 ns, then for 30 ns; device 1 computes for 200 ns and skips its second block. K and V take
// 150 ns to arrive.
void run_small(TraceSink& sink) {
  Recorders recorders = make_recorders(sink, 2, small_header().cost);
  std::array<MessageTiming, 2> timings;
  for (int d = 0; d < 2; ++d) {
    Recorder& recorder = recorders[static_cast<std::size_t>(d)];
    recorder.begin_run("forward");
    recorder.record_alloc("Q", 8);
    recorder.record_alloc("K V", 100);
    recorder.record_alloc("K V", 100);
    recorder.begin_wait(0, "send_buffer");
    recorder.end_wait(0);
    timings[static_cast<std::size_t>(d)] = recorder.begin_send(0, 1 - d, d, "K V", 100);
    recorder.end_send();
    recorder.begin_compute(0, d, "full", d == 0 ? 60 : 200);
    recorder.end_compute();
    recorder.record_row(0, d, first_key(d));
  }
  for (int d = 0; d < 2; ++d) {
    Recorder& recorder = recorders[static_cast<std::size_t>(d)];
    MessageTiming timing = timings[static_cast<std::size_t>(1 - d)];
    timing.arrives_w = timing.began_w;
    recorder.begin_wait(0, "recv");
    recorder.end_wait(timing.arrives_t, timing.sent);
    recorder.record_recv(0, 1 - d, 1 - d, "K V", 100, timing);
    recorder.begin_compute(1, 1 - d, d == 0 ? "partial" : "skipped", d == 0 ? 30 : 0);
    recorder.end_compute();
    recorder.record_row(1, 1 - d, next_keys(d));
    recorder.record_finalize();
    recorder.record_free("Q", 8);
    recorder.record_free("K V", 200);
    recorder.end_run();
  }
}

std::vector<Event> small_events() {
  TraceStore store(2);
  run_small(store);
  return store.events();
}

// The events of device 0 of one kind, in order
std::vector<Event*> events_of_0(std::vector<Event>& events, EventKind kind) {
  std::vector<Event*> found;
  for (Event& event : events)
    if (event.id.device == 0 && event.kind == kind) found.push_back(&event);
  return found;
}

bool mentions(const std::vector<std::string>& sentences, const std::string& part) {
  for (const std::string& sentence : sentences)
    if (sentence.find(part) != std::string::npos) return true;
  return false;
}

std::string json_lines(const TraceHeader& header, const std::vector<Event>& events) {
  std::ostringstream lines;
  write_json_lines(lines, header, events);
  return lines.str();
}

// A small change to the first or second event of a kind on device 0, and a part of the violation to be reported
struct Falsification {
  const char* part;
  EventKind kind;
  std::function<void(Event& first, Event& second)> change;
};

std::shared_ptr<const RowUpdate> changed(const Event& event, const std::function<void(RowUpdate&)>& change) {
  auto row = std::make_shared<RowUpdate>(*event.row);
  change(*row);
  return row;
}

// For a kind that occurs once on device 0 (run, send, recv), the first event is the begin and the second the end
const Falsification falsifications[] = {
    {"has a duplicate id", EventKind::finalize, [](Event& e, Event&) { --e.id.sequence; }},
    {"has the wrong sequence number", EventKind::finalize, [](Event& e, Event&) { e.id.sequence += 100; }},
    {"ends an event that is not open", EventKind::send, [](Event& e, Event&) { e.phase = EventPhase::end; }},
    {"never ends", EventKind::wait, [](Event&, Event& end) { end.phase = EventPhase::begin; }},
    {"before it begins at", EventKind::run, [](Event&, Event& end) { end.t = -1; }},
    {"has an invalid time", EventKind::run, [](Event& e, Event&) { e.t = std::nan(""); }},
    {"on the wall clock", EventKind::compute, [](Event&, Event& end) { end.w = -1; }},
    {"has an end of another kind", EventKind::compute, [](Event&, Event& end) { end.step = 1; }},
    {"is in the wrong lane", EventKind::compute, [](Event& e, Event&) { e.lane = EventLane::send; }},
    {"must not have a begin and an end", EventKind::finalize,
     [](Event& e, Event&) { e.phase = EventPhase::begin; }},
    {"in the same lane", EventKind::compute, [](Event&, Event& end) { end.t += 1000; }},
    {"before the earlier", EventKind::alloc, [](Event& e, Event&) { e.t = 5; }},
    {"which does not exist", EventKind::compute,
     [](Event& e, Event&) {
       e.cause[0] = {1, 99};
     }},
    {"which begins later", EventKind::compute,
     [](Event& e, Event&) {
       e.cause[0] = {0, 12};
     }},
    {"comes before the begin of the run", EventKind::run,
     [](Event& e, Event&) { e.kind = EventKind::compute; }},
    {"is named backward", EventKind::run, [](Event& e, Event&) { e.what = "backward"; }},
    {"never finalizes", EventKind::finalize, [](Event& e, Event&) { e.kind = EventKind::merge; }},
    {"starts pass 1; the header lists only 1 passes", EventKind::finalize,
     [](Event& e, Event&) { e.kind = EventKind::run; }},
    {"attends to the block of device 1; at this step it holds the block of device 0", EventKind::compute,
     [](Event& e, Event&) { e.owner = 1; }},
    {"has a step outside 0 .. 1", EventKind::compute, [](Event& e, Event&) { e.step = 2; }},
    {"unknown mask class", EventKind::compute, [](Event& e, Event&) { e.mask_class = "half"; }},
    {"has mask class full but 0 visible pairs", EventKind::compute,
     [](Event& e, Event&) { e.live_pairs = 0; }},
    {"has mask class skipped but 60 visible pairs", EventKind::compute,
     [](Event& e, Event&) { e.mask_class = "skipped"; }},
    {"sends a message that is never received", EventKind::recv,
     [](Event& e, Event&) {
       e.cause[0] = {1, 0};
     }},
    {"has no matching send", EventKind::recv, [](Event& e, Event&) { e.cause[0] = {}; }},
    {"is not a message from device", EventKind::recv, [](Event& e, Event&) { e.peer = 0; }},
    {"the send has K V of device 1, 100 bytes", EventKind::recv, [](Event& e, Event&) { e.bytes = 99; }},
    {"the send has K V of device 1, 100 bytes", EventKind::recv, [](Event& e, Event&) { e.what = "Q"; }},
    {"receives K V of device 0", EventKind::recv, [](Event& e, Event&) { e.owner = 0; }},
    {"cannot arrive before 150 ns", EventKind::recv, [](Event&, Event& end) { end.t = 140; }},
    {"begins before its send, 1.", EventKind::recv, [](Event& e, Event&) { e.t = -1; }},
    {"has a transfer time of 149 ns", EventKind::recv, [](Event& e, Event&) { e.transfer_t = 149; }},
    {"it must be from 0 to the transfer time, 150 ns", EventKind::recv,
     [](Event& e, Event&) { e.exposed_t = 151; }},
    {"is not the next device", EventKind::send, [](Event& e, Event&) { e.peer = 0; }},
    {"that it has not received", EventKind::recv, [](Event& e, Event&) { e.kind = EventKind::send; }},
    {"has an unknown reason", EventKind::wait, [](Event& e, Event&) { e.why = "coffee"; }},
    {"frees more of Q", EventKind::free, [](Event& e, Event&) { e.bytes = 9; }},
    {"never frees 1 bytes of Q", EventKind::free, [](Event& e, Event&) { e.bytes = 7; }},
    {"decreases m", EventKind::row,
     [](Event& e, Event&) { e.row = changed(e, [](RowUpdate& r) { r.m_before = 3; }); }},
    {"has alpha 0.5", EventKind::row,
     [](Event&, Event& e) { e.row = changed(e, [](RowUpdate& r) { r.alpha = 0.5; }); }},
    {"has alpha nan", EventKind::row,
     [](Event&, Event& e) { e.row = changed(e, [](RowUpdate& r) { r.alpha = std::nan(""); }); }},
    {"ends with an invalid softmax state", EventKind::row,
     [](Event&, Event& e) { e.row = changed(e, [](RowUpdate& r) { r.O_after = {std::nan("")}; }); }},
    {"ends with an invalid softmax state", EventKind::row,
     [](Event&, Event& e) { e.row = changed(e, [](RowUpdate& r) { r.l_after = 0.5; }); }},
    {"starts from an invalid softmax state", EventKind::row,
     [](Event& e, Event&) { e.row = changed(e, [](RowUpdate& r) { r.l_before = 1; }); }},
    {"less than alpha times its previous value", EventKind::row,
     [](Event&, Event& e) { e.row = changed(e, [](RowUpdate& r) { r.l_before = 100; }); }},
    {"has m 2; the largest score so far is 2.1", EventKind::row,
     [](Event&, Event& e) { e.row = changed(e, [](RowUpdate& r) { r.scores[1] = 2.1; }); }},
    {"has l 1.18888; alpha l plus the sum of exp(score - m) is 1.55676", EventKind::row,
     [](Event&, Event& e) { e.row = changed(e, [](RowUpdate& r) { r.scores[0] = 1; }); }},
    {"has l 1.18888; alpha l plus the sum of exp(score - m) is nan", EventKind::row,
     [](Event&, Event& e) { e.row = changed(e, [](RowUpdate& r) { r.scores[0] = std::nan(""); }); }},
    {"does not continue row 0", EventKind::row,
     [](Event&, Event& e) { e.row = changed(e, [](RowUpdate& r) { r.O_before = {0.8}; }); }},
    {"elements of O", EventKind::row,
     [](Event&, Event& e) { e.row = changed(e, [](RowUpdate& r) {
                              r.O_after = {1, 2};
                            }); }},
    {"expected its update at step 1", EventKind::row, [](Event&, Event& e) { e.step = 0; }},
    {"has no softmax state", EventKind::row, [](Event& e, Event&) { e.row = nullptr; }},
};

}  // namespace

TEST_CASE("a run constructed by hand keeps every invariant") {
  const std::vector<std::string> sentences = broken_invariants(small_header(), small_events());
  INFO((sentences.empty() ? "" : sentences.front()));
  CHECK(sentences.empty());
}

TEST_CASE("the checker reports every falsified fact of a trace") {
  for (const Falsification& falsification : falsifications) {
    std::vector<Event> events = small_events();
    const std::vector<Event*> of_kind = events_of_0(events, falsification.kind);
    falsification.change(*of_kind[0], *of_kind[of_kind.size() > 1 ? 1 : 0]);
    const std::vector<std::string> sentences = broken_invariants(small_header(), events);
    INFO(falsification.part << "; found: " << (sentences.empty() ? "nothing" : sentences.front()));
    CHECK(mentions(sentences, falsification.part));
  }
}

TEST_CASE("a trace without its last events is invalid as complete and valid as unfinished") {
  TraceStore store(2);
  run_small(store);
  const std::vector<Event> of_0 = store.events_of(0);
  for (auto last = of_0.begin(); last != of_0.end(); ++last) {
    std::vector<Event> some = store.events_of(1);
    some.insert(some.end(), of_0.begin(), last);
    CHECK_FALSE(broken_invariants(small_header(), some).empty());
    CHECK(broken_invariants(small_header(), some, TraceExtent::unfinished).empty());
  }
}

TEST_CASE("events are sorted by time, device and sequence, with each begin before its end") {
  const std::vector<Event> events = small_events();
  for (std::size_t i = 1; i < events.size(); ++i) {
    const Event &a = events[i - 1], &b = events[i];
    const bool sorted = std::tuple(a.t, a.id.device, a.id.sequence, a.phase == EventPhase::end) <
                        std::tuple(b.t, b.id.device, b.id.sequence, b.phase == EventPhase::end);
    CHECK(sorted);
  }
}

TEST_CASE("a trace keeps the speed of the network between nodes, and whether directions are separate") {
  const TemporaryDirectory directory;
  TraceHeader header = small_header();
  header.cost.devices_per_node = 1, header.cost.network_gbps = 0.3, header.cost.network_latency_us = 0.7;
  header.cost.two_way_devices = header.devices;
  write_trace(directory.path / "file", header, small_events());
  const CostModel read = read_trace(directory.path / "file").header.cost;
  CHECK(read.devices_per_node == 1);
  CHECK(read.network_gbps == 0.3);
  CHECK(read.network_latency_us == 0.7);
  CHECK(read.two_way_devices == header.devices);
}

TEST_CASE("saving, loading and saving a trace again gives the same bytes") {
  const TemporaryDirectory directory;
  const std::vector<Event> events = small_events();
  write_trace(directory.path / "first", small_header(), events);
  const TraceFile loaded = read_trace(directory.path / "first");
  CHECK(broken_invariants(loaded.header, loaded.events).empty());
  write_trace(directory.path / "second", loaded.header, loaded.events);
  const bool same = read_file(directory.path / "first") == read_file(directory.path / "second");
  CHECK(same);
  const bool same_lines = read_file(directory.path / "first") == json_lines(loaded.header, loaded.events);
  CHECK(same_lines);
  REQUIRE(loaded.events.size() == events.size());
  for (std::size_t i = 0; i < events.size(); ++i)
    if (events[i].row) {
      CHECK(loaded.events[i].row->O_after == events[i].row->O_after);
      CHECK(loaded.events[i].row->scores == events[i].row->scores);
    }
}

TEST_CASE("a trace without scores is valid") {
  std::vector<Event> events = small_events();
  for (Event& event : events)
    if (event.row) event.row = changed(event, [](RowUpdate& row) { row.scores.clear(); });
  const std::string lines = json_lines(small_header(), events);
  CHECK_FALSE(contains(lines, "score"));
  const TraceFile loaded = parse_trace(lines);
  CHECK(broken_invariants(loaded.header, loaded.events).empty());
  for (const Event& event : loaded.events)
    if (event.row) CHECK(event.row->scores.empty());
}

TEST_CASE("a file that is not a trace is rejected with the line and the rule") {
  const std::string good = json_lines(small_header(), small_events());
  const auto rejection = [&](const std::string& bytes) {
    return bad_input_message([&] { parse_trace(bytes); });
  };
  const auto with = [&](const std::string& found, const std::string& instead) {
    std::string bytes = good;
    bytes.replace(bytes.find(found), found.size(), instead);
    return rejection(bytes);
  };
  CHECK(rejection(good).empty());
  check_message(rejection(""), "a trace must start with a header");
  check_message(rejection("safetensors"), "line 1: the text must be a JSON object; it is not valid JSON");
  check_message(rejection("[1]"), "line 1: the text must be a JSON object; found a JSON array");
  check_message(rejection(std::string(100000, '[')), "at most 2 levels");
  check_message(rejection(good.substr(0, good.size() - 9)), "it is not valid JSON");
  check_message(rejection(good + "\n"), "it is not valid JSON");
  check_message(rejection("{}"), "schema must be an integer from 1 to 1; it is missing");
  check_message(with("\"schema\": 1", "\"schema\": 2"), "schema must be an integer from 1 to 1; found 2");
  check_message(with("\"devices\": 2", "\"devices\": 0"), "devices must be an integer from 1");
  check_message(with("\"layout\": \"contiguous\"", "\"layout\": \"round\""),
                "layout must be one of contiguous, zigzag, striped");
  check_message(with("\"rotate\"", "\"strategy\": \"spiral\", \"rotate\""), "strategy must be one of ring,");
  check_message(with("\"rotate\"", "\"strategy\": \"usp\", \"rotate\""),
                "group must be an integer from 1 to 2; it is missing");
  check_message(with("\"id\": \"0.0\"", "\"id\": \"0.-1\""), "line 2: id must be \"device.sequence\"");
  check_message(with("\"id\": \"0.0\"", "\"id\": \"1.0\""), "line 2: device must be the device of the id");
  check_message(with("\"kind\": \"alloc\"", "\"kind\": \"malloc\""),
                "kind must be a kind of event; found \"malloc\"");
  check_message(with("\"t\": 0,", "\"t\": \"inf\","), "t must be a finite number; found \"inf\"");
  check_message(with("\"m_before\": \"-inf\"", "\"m_before\": \"low\""), "m_before must be a number");
  check_message(with("\"score_magnitude\": 7", "\"size\": 7"),
                "score_magnitude must be a number; it is missing");
  check_message(with("\"scores\": [\"-inf\"", "\"scores\": [\"low\""), "scores must be a list of numbers");
  check_message(with("\"q_owner\": 0", "\"q_owner\": 1"), "q_owner must be the device of the event");
  check_message(with("\"bytes\": 100", "\"bytes\": 1e99"), "bytes must be an integer");
  check_message(with("\"cause\": []", "\"cause\": [\"0.0\", \"0.0\", \"0.0\"]"),
                "cause must be at most two ids");
}

TEST_CASE("the Perfetto file is JSON in which slices nest and every message is an arrow with two ends") {
  std::ostringstream written;
  write_perfetto(written, small_events());
  const nlohmann::json trace = nlohmann::json::parse(written.str());

  std::map<int, std::string> arrows;
  std::map<std::pair<int, int>, double> free_since;
  std::vector<double> memory;
  for (const auto& event : trace["traceEvents"]) {
    if (event["ph"] == "s" || event["ph"] == "f") arrows[event["id"]] += event["ph"];
    if (event["ph"] == "C" && event["pid"] == 0) memory.push_back(event["args"]["bytes"]);
    if (event["ph"] != "X" || event["cat"] == "run") continue;
    double& free = free_since[{event["pid"], event["tid"]}];
    CHECK(free <= event["ts"].get<double>());
    free = event["ts"].get<double>() + event["dur"].get<double>();
  }
  CHECK(arrows.size() == 2);
  for (const auto& [id, ends] : arrows) CHECK((ends == "sf" || ends == "fs"));
  CHECK(memory == std::vector<double>{8, 108, 208, 200, 0});
}

TEST_CASE("the summary of the run constructed by hand equals sums computed by hand") {
  TraceStore store(2);
  Summary summary(2);
  TeeSink both({&store, &summary});
  run_small(both);
  CHECK(store.events().size() == small_events().size());

  const std::vector<DeviceSummary> devices = summary.devices();
  CHECK(devices[0].peak_bytes == 208);
  CHECK(devices[0].bytes_sent == 100);
  CHECK(devices[0].busy.virtual_ns == 90);
  CHECK(devices[1].busy.virtual_ns == 200);
  CHECK(devices[0].wait_recv.virtual_ns ==
        90);  // from 60, the end of its arithmetic, to 150, the arrival of K and V
  CHECK(devices[1].wait_recv.virtual_ns == 0);
  CHECK(devices[0].wait_send_buffer.virtual_ns == 0);
  CHECK(summary.overlap().transfer.virtual_ns == 300);
  CHECK(summary.overlap().exposed.virtual_ns == 90);
  CHECK(summary.overlap().hidden_fraction_virtual() == doctest::Approx(0.7));
  CHECK(std::isnan(Summary(2).overlap().hidden_fraction_virtual()));
}
