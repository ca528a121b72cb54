// Tests of the code pane: each quoted statement occurs once in the engine's source, and is highlighted while it
// executes.

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/support/trials.h"
#include "tests/visualizer/support/random_config.h"
#include "visualizer/model/code_lines.h"
#include "visualizer/resources/embedded.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

bool highlights(const std::vector<CodeLine>& lines, std::string_view function, std::string_view part,
                bool under_way = false) {
  return std::any_of(lines.begin(), lines.end(), [&](const CodeLine& line) {
    return line.mark->function->name == function && line.under_way == under_way &&
           line.mark->snippet.find(part) != std::string_view::npos;
  });
}

RunConfig slow(Rotation rotate, bool backward, bool overlap) {
  RunConfig config;
  config.devices = 4, config.queries = config.keys = 16;
  config.causal = true;
  config.rotate = rotate, config.backward = backward, config.overlap = overlap;
  config.cost = {1, 4, 0.02};
  config.slow_link = 1, config.slow_factor = 8;
  return config;
}

// The times of all events, and some moments between them
std::vector<double> times(const Recording& recording) {
  std::vector<double> all;
  for (const Event& event : recording.events()) all.push_back(event.t);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  const std::size_t count = all.size();
  for (std::size_t i = 1; i < count; ++i)
    for (const double part : {0.1, 0.3, 0.5, 0.8}) all.push_back(all[i - 1] + part * (all[i] - all[i - 1]));
  return all;
}

}  // namespace

TEST_CASE("each statement of the table occurs once in its file, in its function") {
  for (const CodeMark* mark : code_marks()) {
    INFO(mark->snippet);
    const std::string_view text = embedded(mark->function->file);
    const LineRange function = lines_of_function(text, *mark->function),
                    lines = lines_of_snippet(text, mark->snippet);
    REQUIRE(lines.begin < lines.end);
    CHECK(function.begin < lines.begin);
    CHECK(lines.end < function.end);
  }
}

TEST_CASE("a snippet that is missing or ambiguous has no lines") {
  const std::string_view text = "a {\n  b\n  c\n  b\n}\n";
  CHECK(lines_of_snippet(text, "c").begin == 2);
  CHECK(lines_of_snippet(text, "c\n  b").end == 4);
  CHECK(lines_of_snippet(text, "b").end == 0);
  CHECK(lines_of_snippet(text, "d").end == 0);
  CHECK(lines_of_function(text, {"a", "", "a {"}).end == 5);
}

TEST_CASE("comments and white space in the source do not hide a snippet") {
  const std::string_view text = "f() {\n  // b();\n  a( 1,  // one\n    2);\n  // c\n  b();\n}\n";
  CHECK(lines_of_snippet(text, "a(1, 2);\nb();").begin == 2);
  CHECK(lines_of_snippet(text, "a(1, 2);\nb();").end == 6);
  CHECK(lines_of_snippet(text, "c").end == 0);
}

TEST_CASE("every statement of the table is highlighted at some moment of some run") {
  std::set<const CodeMark*> seen;
  std::vector<RunConfig> configs;
  for (const Rotation rotate : {Rotation::kv, Rotation::q})
    for (const bool overlap : {true, false}) configs.push_back(slow(rotate, true, overlap));
  RunConfig usp = slow(Rotation::kv, true, true);
  usp.strategy = Strategy::usp, usp.group = 2, usp.heads = usp.kv_heads = 2;
  configs.push_back(usp);
  for (const RunConfig& config : configs) {
    const auto recording = record_run(config).recording;
    for (const double t : times(*recording)) {
      const Moment now = moment(*recording, t, Clock::modelled);
      for (int device = 0; device < recording->devices(); ++device)
        for (const CodeLine& line : highlighted_lines(*recording, now, device)) seen.insert(line.mark);
    }
  }
  for (const CodeMark* mark : code_marks()) {
    INFO(mark->snippet);
    CHECK(seen.count(mark) == 1);
  }
}

TEST_CASE("a computing device is in attend, in the phase that the microscope shows") {
  const auto recording = record_run(slow(Rotation::kv, false, true)).recording;
  const Span* compute = nullptr;
  for (const Span& span : recording->spans().of(3))
    if (span.begin->kind == EventKind::compute && span.begin->step == 1) compute = &span;
  REQUIRE(compute);
  const auto at = [&](double part) {
    const double t = compute->begin->t + part * (compute->end->t - compute->begin->t);
    return highlighted_lines(*recording, moment(*recording, t, Clock::modelled), 3);
  };
  for (const double part : {0.1, 0.3, 0.5, 0.9}) CHECK(highlights(at(part), "run_ring", "d.attend(step)"));
  CHECK(highlights(at(0.1), "attend", "score_tile"));
  CHECK(highlights(at(0.3), "SoftmaxState::absorb", "kernels.largest"));
  CHECK(highlights(at(0.5), "SoftmaxState::absorb", "alpha = std::exp"));
  CHECK(highlights(at(0.9), "SoftmaxState::absorb", "multiply_add(T(1), S, V, O_rows)"));
}

TEST_CASE("a device that waits for the next block is in take_next") {
  const auto recording = record_run(slow(Rotation::kv, false, true)).recording;
  int waits = 0;
  for (const Span& span : recording->spans().of(2)) {
    if (span.begin->kind != EventKind::wait || !(span.end->t > span.begin->t)) continue;
    const Moment now = moment(*recording, (span.begin->t + span.end->t) / 2, Clock::modelled);
    CHECK(highlights(highlighted_lines(*recording, now, 2), "run_ring", "d.take_next(step)"));
    CHECK(highlights(highlighted_lines(*recording, now, 2), "Port::receive", "link_.receive"));
    ++waits;
  }
  CHECK(waits > 0);
}

TEST_CASE("while a block is in flight, the statement that sent it is highlighted") {
  const auto recording = record_run(slow(Rotation::kv, false, true)).recording;
  int flights = 0;
  for (const double t : times(*recording)) {
    const Moment now = moment(*recording, t, Clock::modelled);
    for (const Flight& flight : now.flights) {
      const std::vector<CodeLine> lines = highlighted_lines(*recording, now, flight.from);
      CHECK((highlights(lines, "run_ring", "d.send_on(step)", true) ||
             highlights(lines, "run_ring", "d.send_on(step)")));
      ++flights;
    }
  }
  CHECK(flights > 0);
}

TEST_CASE("statements are highlighted by events of their device that have begun, in any run") {
  Random random(1);
  for (int n = 0; n < trials(40); ++n) {
    const auto recording = record_run(random_config(random)).recording;
    for (const Clock clock : {Clock::modelled, Clock::measured})
      for (int m = 0; m < 4; ++m) {
        const double t = random.uniform() * recording->duration(clock);
        const int device = static_cast<int>(random.below(recording->devices()));
        for (const CodeLine& line : highlighted_lines(*recording, moment(*recording, t, clock), device)) {
          CHECK(line.event.device == device);
          const Span* span = recording->spans().find(line.event);
          REQUIRE(span);
          CHECK(recording->began(*span, clock) <= t);
        }
      }
  }
}
