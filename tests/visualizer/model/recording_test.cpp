// Recordings: masked pairs, and events that are rejected.

#include "visualizer/model/recording.h"

#include <doctest/doctest.h>

#include "tests/support/file_fixtures.h"
#include "visualizer/run/record_run.h"

using namespace ringattn;
using namespace ringattn::viz;

TEST_CASE("pairs that the events mask are masked, whatever the options") {
  for (const Rotation rotate : {Rotation::kv, Rotation::q})
    for (const Layout layout : {Layout::contiguous, Layout::zigzag}) {
      RunConfig config;
      config.causal = true, config.layout = layout, config.rotate = rotate, config.devices = 3;
      const RecordedRun run = record_run(config);
      TraceHeader header = run.recording->header();
      header.options.clear();  // as for documents separated by segment ids in a file
      const Recording silent(header, run.recording->events(), TraceExtent::complete);
      for (Index query = 0; query < header.Sq; ++query)
        for (Index key = 0; key < header.Skv; ++key) {
          // If Q rotates, only the first step of a row records scores
          if (rotate == Rotation::q && silent.owner_of_query(query) != silent.owner_of_key(key)) continue;
          CHECK(silent.visible(query, key) == (key <= query));
        }
    }
}

TEST_CASE("events that name a missing device, step or row are rejected") {
  const RecordedRun run = record_run({});
  const auto says_of = [&](const auto& falsify, const std::string& part) {
    TraceHeader header = run.recording->header();
    std::vector<Event> events = run.recording->events();
    falsify(header, events);
    check_message(bad_input_message([&] { Recording(header, events, TraceExtent::complete); }), part);
  };
  const auto last_of = [](std::vector<Event>& events, EventKind kind) -> Event& {
    return *std::find_if(events.rbegin(), events.rend(), [&](const Event& e) { return e.kind == kind; });
  };
  says_of([](TraceHeader& header, auto&) { header.devices = 129; }, "at most 128 devices");
  says_of([](TraceHeader& header, auto&) { header.passes.clear(); }, "at least one pass");
  says_of([&](auto&, auto& events) { last_of(events, EventKind::compute).step = 4; }, "a step of the run");
  says_of([&](auto&, auto& events) { last_of(events, EventKind::compute).step = -1; }, "a step of the run");
  says_of([](TraceHeader& header, auto&) { header.Sq = 3; }, "a row of the run");
}
