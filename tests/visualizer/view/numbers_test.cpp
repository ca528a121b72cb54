// The numbers on the screen, each recomputed from the events of the run. The code that reads the events and the texts
// shares nothing with the panels.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <regex>
#include <set>

#include "tests/visualizer/support/all_panels.h"
#include "tests/visualizer/support/numbers_in_text.h"
#include "tests/visualizer/support/read_trace.h"
#include "tests/visualizer/support/screen_fixtures.h"
#include "tests/visualizer/support/strategy_config.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// ---- Panels -----------------------------------------------------------------------------

// A panel at a moment of a run, and what the events say of this moment
struct Seen {
  const Recording& recording;
  const ReadTrace& trace;
  double t = 0;
  Drawing drawing = {};

  std::vector<std::string> texts(const std::string& pattern) const {
    std::vector<std::string> found;
    for (const DrawnText& each : drawing.texts)
      if (std::regex_search(each.text, std::regex(pattern))) found.push_back(each.text);
    return found;
  }
  // The values beside a name of the inspector
  std::vector<std::string> facts(const std::string& name) const {
    std::vector<std::string> found;
    for (std::size_t i = 0; i + 1 < drawing.texts.size(); ++i)
      if (drawing.texts[i].text == name) found.push_back(drawing.texts[i + 1].text);
    return found;
  }
  std::string fact(const std::string& name) const {
    const std::vector<std::string> all = facts(name);
    return all.empty() ? "missing: " + name : all.front();
  }
  std::string formula(const std::string& begin) const {
    for (const DrawnText& each : drawing.texts)
      if (each.text.rfind(begin, 0) == 0) return each.text;
    return "missing: " + begin;
  }
};

Seen seen(HeadlessScreen& screen, const Recording& recording, const ReadTrace& trace, double t,
          const std::string& panel, const Selection& selection = {}, const AxisRange& time = {}) {
  const Moment now = moment(recording, t, Clock::modelled);
  ViewSettings settings;
  settings.reduced_motion = true;
  settings.time = time;
  const Frame frame{recording, now, selection, settings};
  return {recording, trace, t, screen.log(theme("dark"), [&](Canvas& canvas) {
            run_panels().at(panel)(canvas, {5, 5, 1500, 880}, frame);
          })};
}

// Calls visit(recording, trace, random) for random rings, and for runs of other strategies
template <class Visit>
void for_runs(std::uint64_t seed, const Visit& visit) {
  Random random(seed);
  for (int n = 0; n < trials(40); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    INFO("ring of " << recording->devices() << ", " << n);
    visit(*recording, ReadTrace(recording->events()), random);
  }
  for_each_strategy(seed, trials(10), [&](const Recording& recording, Random& strategy_random) {
    visit(recording, ReadTrace(recording.events()), strategy_random);
  });
}

double random_moment(Random& random, const ReadTrace& trace) {
  return (0.02 + 0.96 * random.uniform()) * trace.duration();
}

}  // namespace

// ---- Time -----------------------------------------------------------------------------------

TEST_CASE("the percentages of a timeline are those of the events") {
  HeadlessScreen screen(1600, 900);
  for_runs(1, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    if (!(trace.duration() > 0)) return;
    for (const double t : {random_moment(random, trace), trace.duration()}) {
      const Seen seen = ::seen(screen, recording, trace, t, "timeline");
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
    const Seen seen = ::seen(screen, recording, trace, trace.duration() / 2, "timeline", {}, shown);
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
    const Seen seen = ::seen(screen, recording, trace, t, "ring");
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
    const Seen seen = ::seen(screen, recording, trace, t, "matrix");
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
      const Seen seen = ::seen(screen, recording, trace, t, "memory");
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
      // Each part of a bar
      for (const Element& each : seen.drawing.elements) {
        if (!each.event || trace.at(each.event).begin->kind != EventKind::alloc) continue;
        if (each.label.find(": ") != std::string::npos)
          CHECK(is_bytes(static_cast<double>(trace.at(each.event).begin->bytes), each.label));
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
      const Seen seen = ::seen(screen, recording, trace, t, "inspector", selection);
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
      const Seen seen = ::seen(screen, recording, trace, t, "inspector", selection);
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
      const Seen seen = ::seen(screen, recording, trace, trace.duration(), "inspector", selection);
      const std::vector<double> times = numbers_in(seen.fact("time"));
      REQUIRE(times.size() == 2);
      CHECK((rounds_to(event.t, times[0], 6) && rounds_to(end.t, times[1], 6)));
      if (kind == EventKind::compute) {
        CHECK(number_in(seen.fact("live pairs")) == static_cast<double>(event.live_pairs));
        CHECK(rounds_to(static_cast<double>(event.live_pairs) * cost.ns_per_pair,
                        numbers_in(seen.formula(std::to_string(event.live_pairs) + " pairs")).back(), 6));
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

// ---- The online softmax --------------------------------------------------------------------------

namespace {

// The numbers of a row in the inspector: its state before or after the block that it meets at t
void check_row(const Seen& seen, const Event& update) {
  const RowUpdate& row = *update.row;
  const bool over = update.t <= seen.t;
  const double m = over ? row.m_after : row.m_before, l = over ? row.l_after : row.l_before;
  const std::vector<double>& O = over ? row.O_after : row.O_before;
  CHECK(rounds_to(m, number_in(seen.fact("m")), 6));
  CHECK(rounds_to(l, number_in(seen.fact("l")), 6));
  CHECK(rounds_to(m + std::log(l), numbers_in(seen.formula("lse")).back(), 6));
  for (std::size_t d = 0; d < O.size(); ++d)
    CHECK(rounds_to(l == 0 ? 0 : O[d] / l, number_in(seen.fact("O[" + std::to_string(d) + "] / l")), 6));
}

bool begins(const std::string& text, const char* with) { return text.rfind(with, 0) == 0; }

// Whether an element of the microscope shows a number of the row; _scores_ counts the scores met until now
bool shows(const Element& each, const RowUpdate& row, std::size_t& scores) {
  const std::vector<double> all = numbers_in(each.label);
  const auto at = [&](const std::vector<double>& O) { return O[static_cast<std::size_t>(all[0])]; };
  if (begins(each.label, "key ")) {
    const double score = row.scores.at(scores++);
    return each.label.find("masked") == std::string::npos ? rounds_to(score, all.back(), 4)
                                                          : score == -std::numeric_limits<double>::infinity();
  }
  if (begins(each.label, "\xce\xb1 = exp")) {
    // A row that has seen no key has nothing to rescale
    const bool empty = !std::isfinite(row.m_before);
    return rounds_to(empty ? row.alpha : std::exp(row.m_before - row.m_after), all.back(), 3);
  }
  if (begins(each.label, "O after[")) return rounds_to(at(row.O_after), all.back(), 4);
  if (begins(each.label, "O before[")) return rounds_to(at(row.O_before), all.back(), 4);
  return rounds_to(row.l_before, all[0], 4) && rounds_to(row.l_after, all[1], 4);
}

// The microscope without animation shows the state after the block that the row meets
void check_microscope(const Seen& seen, const Event& update) {
  const RowUpdate& row = *update.row;
  std::size_t scores = 0;
  std::map<std::string, std::size_t> met;
  for (const Element& each : seen.drawing.elements)
    for (const char* const begin : {"key ", "\xce\xb1 = exp", "O after[", "O before[", "l  "})
      if (each.event == update.id && begins(each.label, begin)) {
        INFO(each.label);
        CHECK(shows(each, row, scores));
        ++met[begin];
      }
  CHECK(scores == row.scores.size());
  CHECK(met["\xce\xb1 = exp"] >= 1);
  CHECK(met["O after["] == row.O_after.size());
  CHECK(met["O before["] == row.O_before.size());
  CHECK(met["l  "] == 1);
}

}  // namespace

TEST_CASE("the numbers of a row in the inspector and in the microscope are those of its events") {
  HeadlessScreen screen(1600, 900);
  std::size_t compared = 0;
  for_runs(6, [&](const Recording& recording, const ReadTrace& trace, Random& random) {
    const double t = random_moment(random, trace);
    Selection selection;
    selection.row = random.below(recording.header().Sq);
    selection.pinned = Target::row(static_cast<int>(selection.row));
    const std::vector<const Event*> updates = trace.updates(selection.row, t);
    if (updates.empty()) return;
    ++compared;
    check_row(::seen(screen, recording, trace, t, "inspector", selection), *updates.back());
    check_microscope(::seen(screen, recording, trace, t, "microscope", selection), *updates.back());
  });
  CHECK(compared > 10);
}
