// The numbers on the screen, each recomputed from the events of the run. The code that reads the events and the texts
// shares nothing with the panels.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "tests/visualizer/support/seen_panel.h"

using namespace ringattn;
using namespace ringattn::viz;

// ---- Time -----------------------------------------------------------------------------------

TEST_CASE("the percentages of a timeline are those of the events") {
  HeadlessScreen screen(1600, 900);
  for_runs(1, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    if (!(trace.duration() > 0)) return;
    for (const double t : {random_moment(random, trace), trace.duration()}) {
      const Seen seen = seen_panel(screen, recording, trace, t, "timeline");
      // Busy and waiting, and the mean of busy
      const std::vector<std::string> uses = seen.texts("^busy ");
      REQUIRE(std::ssize(uses) == recording.devices());
      double busy = 0;
      for (int device = 0; device < recording.devices(); ++device) {
        const std::vector<double> shown = numbers_in(uses[static_cast<std::size_t>(device)]);
        REQUIRE(shown.size() == 2);
        CHECK(is_percent(trace.share(device, EventKind::compute, t), shown[0]));
        CHECK(is_percent(trace.share(device, EventKind::wait, t), shown[1]));
        busy += trace.share(device, EventKind::compute, t) / recording.devices();
      }
      const std::vector<std::string> efficiency = seen.texts("efficiency");
      REQUIRE(efficiency.size() == 1);
      CHECK(is_percent(busy, number_in(efficiency.front())));
    }
  });
}

TEST_CASE("the times below a timeline differ and are at their places, however small the part that is shown") {
  HeadlessScreen screen(1600, 900);
  for_runs(7, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    if (!(trace.duration() > 0)) return;
    AxisRange shown;
    if (random.below(4) > 0) shown.zoom(std::pow(10.0, -4 * random.uniform()), random.uniform());
    const Seen seen = seen_panel(screen, recording, trace, trace.duration() / 2, "timeline", {}, shown);
    const auto axis = std::find_if(seen.drawing.elements.begin(), seen.drawing.elements.end(),
                                   [](const Element& each) { return each.target == Target::time(); });
    REQUIRE(axis != seen.drawing.elements.end());
    const double pixel = shown.width() * trace.duration() / static_cast<double>(axis->rect.w);
    std::set<std::string> times;
    for (const DrawnText& each : seen.drawing.texts) {
      if (!axis->rect.contains(each.rect.centre())) continue;
      // The text begins three points to the right of its line
      const auto points = static_cast<double>(each.rect.x - 3 - axis->rect.x);
      INFO(each.text);
      CHECK(std::abs(nanoseconds_in(each.text) - shown.begin * trace.duration() - points * pixel) <= pixel);
      CHECK(times.insert(each.text).second);
      CHECK_FALSE(each.cut);
    }
    CHECK(times.size() > 3);
  });
}

TEST_CASE("the percentages and steps of the devices are those of the arithmetic in progress") {
  HeadlessScreen screen(1600, 900);
  for_runs(2, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    const double t = random_moment(random, trace);
    const Seen seen = seen_panel(screen, recording, trace, t, "ring");
    const std::vector<std::string> shares = seen.texts("^(computes )?[0-9]+ %$");
    std::size_t computing = 0;
    int first = std::numeric_limits<int>::max(), last = -1;
    for (int device = 0; device < recording.devices(); ++device) {
      const std::vector<ReadTrace::Work> computes = trace.of_pass(device, EventKind::compute, t);
      if (computes.empty()) continue;
      const ReadTrace::Work& now = computes.back();
      first = std::min(first, now.begin->step), last = std::max(last, now.begin->step);
      if (now.is_over(t)) continue;
      REQUIRE(computing < shares.size());
      CHECK(is_percent(now.part(t), number_in(shares[computing++])));
    }
    CHECK(computing == shares.size());
    // One device has no ring with a middle
    if (recording.header().strategy != "ring" || last < 0 || recording.devices() == 1) return;
    const std::vector<std::string> middle = seen.texts("steps? [0-9]");
    REQUIRE(middle.size() == 1);
    const std::vector<double> steps = numbers_in(middle.front());
    CHECK(steps[0] == first);
    if (first < last) CHECK(steps[1] == last);
  });
}

// ---- Steps ----------------------------------------------------------------------------------------

TEST_CASE("a step in the matrix is that of arithmetic which has begun on this tile") {
  HeadlessScreen screen(1600, 900);
  std::size_t compared = 0;
  for_runs(8, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    const double t = random_moment(random, trace);
    const Seen seen = seen_panel(screen, recording, trace, t, "matrix");
    for (const DrawnText& text : seen.drawing.texts) {
      if (!std::regex_match(text.text, std::regex("[0-9]+"))) continue;
      const auto tile =
          std::find_if(seen.drawing.elements.begin(), seen.drawing.elements.end(), [&](const Element& each) {
            return each.target.kind == Target::Kind::tile && each.rect.contains(text.rect.centre());
          });
      REQUIRE(tile != seen.drawing.elements.end());
      const ReadTrace::Work& work = trace.at(tile->event);
      const Event& event = *work.begin;
      CHECK(event.kind == EventKind::compute);
      CHECK(work.has_begun(t));
      CHECK(number_in(text.text) == event.step);
      ++compared;
      if (recording.header().strategy != "ring") continue;
      const bool queries = recording.header().queries_rotate();
      CHECK(tile->target.a == (queries ? event.owner : event.id.device));
      CHECK(tile->target.b == (queries ? event.id.device : event.owner));
    }
  });
  CHECK(compared > 20);
}

// ---- Memory -----------------------------------------------------------------------------------

TEST_CASE("the bytes of the memory panel are those allocated and not yet freed, and in the end the peak") {
  HeadlessScreen screen(1600, 900);
  for_runs(3, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    const TraceHeader& header = recording.header();
    for (const double t : {random_moment(random, trace), trace.duration()}) {
      const Seen seen = seen_panel(screen, recording, trace, t, "memory");
      const std::vector<std::string> bytes = seen.texts("^(peak )?[0-9.]+ (B|KiB|MiB)$");
      REQUIRE(std::ssize(bytes) > recording.devices());
      for (int device = 0; device < recording.devices(); ++device) {
        const std::int64_t now = trace.bytes(device, t);
        CHECK(is_bytes(static_cast<double>(now > 0 ? now : trace.peak_bytes(device, t)),
                       bytes[static_cast<std::size_t>(device)]));
      }
      // All scores on one device, with Q K V and O
      const double number = header.dtype == "f64" ? 8 : 4;
      double elements = 0;
      for (std::int64_t b = 0; b < header.batch; ++b)
        elements +=
            static_cast<double>(header.heads * header.Sq * (header.head_dim + header.v_dim + header.Skv) +
                                header.kv_heads * header.Skv * (header.head_dim + header.v_dim));
      CHECK(is_bytes(number * elements, bytes[static_cast<std::size_t>(recording.devices())]));
      // Each part of a bar, and their sum: after the run, that of the peak
      std::map<int, std::int64_t> parts;
      for (const Element& each : seen.drawing.elements) {
        if (!each.event || trace.at(each.event).begin->kind != EventKind::alloc) continue;
        if (each.label.find(": ") == std::string::npos) continue;
        const Event& alloc = *trace.at(each.event).begin;
        CHECK(is_bytes(static_cast<double>(alloc.bytes), each.label));
        parts[alloc.id.device] += alloc.bytes;
      }
      for (int device = 0; device < recording.devices(); ++device) {
        const std::int64_t now = trace.bytes(device, t);
        CHECK(parts[device] == (now > 0 ? now : trace.peak_bytes(device, t)));
      }
    }
  });
}

// ---- The inspector ------------------------------------------------------------------------------

TEST_CASE("the inspector shows of a device and of a block what the events say") {
  HeadlessScreen screen(1600, 900);
  for_runs(4, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    const double t = random_moment(random, trace);
    Selection selection;
    std::map<int, int> uses;  // by owner of the block
    for (int device = 0; device < recording.devices(); ++device) {
      selection.pinned = Target::device(device);
      const Seen seen = seen_panel(screen, recording, trace, t, "inspector", selection);
      std::vector<double> absorbed;
      for (const ReadTrace::Work& each : trace.of_pass(device, EventKind::compute, t))
        if (each.is_over(t)) absorbed.push_back(each.begin->owner), ++uses[each.begin->owner];
      CHECK(numbers_in(seen.fact("absorbed")) == absorbed);
      CHECK(number_in(seen.fact("holds")) == static_cast<double>(trace.bytes(device, t)));
      const std::vector<double> so_far = numbers_in(seen.fact("so far"));
      REQUIRE(so_far.size() == 2);
      CHECK(is_percent(trace.share(device, EventKind::compute, t), so_far[0]));
      CHECK(is_percent(trace.share(device, EventKind::wait, t), so_far[1]));
    }
    for (int owner = 0; owner < recording.devices(); ++owner) {
      selection.pinned = Target::block(owner);
      const Seen seen = seen_panel(screen, recording, trace, t, "inspector", selection);
      CHECK(number_in(seen.fact("used")) == uses[owner]);
      std::vector<std::string> flights = seen.texts("^[0-9]+ \xe2\x86\x92 [0-9]+, ");
      for (const ReadTrace::Message& message : trace.messages(t)) {
        if (message.send->owner != owner) continue;
        REQUIRE_FALSE(flights.empty());
        const std::vector<double> shown = numbers_in(flights.front());
        flights.erase(flights.begin());
        REQUIRE(shown.size() == 4);
        CHECK(shown[0] == message.send->id.device);
        CHECK(shown[1] == message.send->peer);
        CHECK(is_percent(message.part, shown[2]));
        CHECK(shown[3] == static_cast<double>(message.send->bytes));
      }
      CHECK(flights.empty());
    }
  });
}

TEST_CASE("the inspector shows the bytes, times and pairs of an event, and the equations hold") {
  HeadlessScreen screen(1600, 900);
  for_runs(5, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    const CostModel& cost = recording.header().cost;
    for (const EventKind kind : {EventKind::send, EventKind::recv, EventKind::compute}) {
      const std::vector<ReadTrace::Work> works = trace.all(kind);
      if (works.empty()) continue;
      const ReadTrace::Work& work = works[static_cast<std::size_t>(random.below(std::ssize(works)))];
      const Event &event = *work.begin, &end = *work.end;
      Selection selection;
      selection.pinned = Target::event(event.id.device, event.id.sequence);
      const Seen seen = seen_panel(screen, recording, trace, trace.duration(), "inspector", selection);
      const std::vector<double> times = numbers_in(seen.fact("time"));
      REQUIRE(times.size() == 2);
      CHECK((rounds_to(event.t, times[0], 6) && rounds_to(end.t, times[1], 6)));
      if (kind == EventKind::compute) {
        CHECK(number_in(seen.fact("live pairs")) == static_cast<double>(event.live_pairs));
        // The pairs times the time of one, five products for two in a backward pass
        const std::string formula = seen.formula(std::to_string(event.live_pairs) + " pairs");
        const std::vector<double> factors = numbers_in(formula);
        REQUIRE(factors.size() >= 3);
        CHECK(rounds_to(end.t - event.t, factors.back(), 6));
        CHECK(rounds_to(cost.ns_per_pair, factors[factors.size() - 2], 6));
        const bool backward = trace.pass_name(event) == "backward";
        CHECK(rounds_to(static_cast<double>(event.live_pairs) * cost.ns_per_pair * (backward ? 2.5 : 1),
                        factors.back(), 6));
        if (backward) CHECK((factors.size() == 4 && factors[1] == 2.5));
        continue;
      }
      CHECK(number_in(seen.fact("size")) == static_cast<double>(event.bytes));
      if (kind == EventKind::send && cost.link_gbps > 0)
        CHECK(rounds_to(8 * static_cast<double>(event.bytes) / cost.link_gbps + 1e3 * cost.link_latency_us,
                        numbers_in(seen.formula("8 ")).back(), 6));
      if (kind != EventKind::recv) continue;
      CHECK(rounds_to(event.transfer_t, number_in(seen.fact("transfer")), 6));
      CHECK(rounds_to(event.exposed_t, number_in(seen.fact("exposed")), 6));
      CHECK(rounds_to(event.transfer_t - event.exposed_t, numbers_in(seen.formula("overlapped")).back(), 6));
    }
  });
}

TEST_CASE("the inspector shows of a tile the arithmetic on it, and how many of its pairs are visible") {
  HeadlessScreen screen(1600, 900);
  for_runs(10, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    const TraceHeader& header = recording.header();
    const double t = header.passes.size() > 1 ? trace.duration() : random_moment(random, trace);
    // The devices whose rows are in one block of queries, and in one of keys
    const int of_keys = header.strategy == "ulysses" ? header.devices
                        : header.strategy == "usp"   ? header.group
                                                     : 1,
              of_queries = header.strategy == "tree" ? header.devices : of_keys;
    const auto devices = static_cast<Index>(header.devices);
    const int q = static_cast<int>(random.below(devices)), k = static_cast<int>(random.below(devices));
    Selection selection;
    selection.pinned = Target::tile(q, k);
    const Seen seen = seen_panel(screen, recording, trace, t, "inspector", selection);

    // The arithmetic of the last pass on this tile, for some heads at a time
    std::multiset<double> pairs, steps, on, shown_pairs, shown_steps, shown_on;
    double visible = 0, whole = 0, over = 0;
    for (const ReadTrace::Work& work : trace.all(EventKind::compute)) {
      const Event& event = *work.begin;
      const int device = event.id.device, queries = header.queries_rotate() ? event.owner : device,
                keys = header.queries_rotate() ? device : event.owner;
      if (trace.pass_name(event) != header.passes.back()) continue;
      if (queries / of_queries != q / of_queries || keys / of_keys != k / of_keys) continue;
      visible += static_cast<double>(event.live_pairs), over += work.is_over(t);
      pairs.insert(static_cast<double>(event.live_pairs));
      steps.insert(event.step), on.insert(device);
    }
    for (const std::string& each : seen.facts("live pairs")) shown_pairs.insert(number_in(each));
    for (const std::string& each : seen.facts("step")) shown_steps.insert(number_in(each));
    for (const std::string& each : seen.facts("on")) shown_on.insert(number_in(each));
    CHECK(shown_pairs == pairs);
    CHECK(shown_steps == steps);
    CHECK(shown_on == on);
    CHECK(static_cast<double>(seen.texts("^done$").size()) == over);

    double rows = 0, columns = 0;
    for (int device = 0; device < header.devices; ++device) {
      if (device / of_queries == q / of_queries)
        rows += static_cast<double>(recording.query_rows(device).size());
      if (device / of_keys == k / of_keys) columns += static_cast<double>(recording.key_rows(device).size());
    }
    whole = rows * columns * static_cast<double>(header.heads * header.batch);
    if (!(whole > 0)) return;
    const std::vector<double> equation = numbers_in(seen.texts("pairs are visible").at(0));
    CHECK(equation[0] == visible);
    CHECK(equation[1] == rows);
    CHECK(equation[2] == columns);
    if (header.heads > 1) CHECK(equation[3] == static_cast<double>(header.heads));
    CHECK(is_percent(visible / whole, equation.back()));
  });
}
