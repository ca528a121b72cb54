// Tests of free play: for any parameters, the engine runs and the screen can be drawn.

#include <doctest/doctest.h>

#include <set>

#include "tests/visualizer/support/screen_fixtures.h"
#include "visualizer/run/hop_ratio.h"
#include "visualizer/session/parameters.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

std::string value_of(const Session& session, const std::string& id) {
  for (const Parameter& parameter : parameters())
    if (parameter.id == id) return parameter.value(*session.free_config());
  return "no such parameter";
}

}  // namespace

TEST_CASE("random parameters never stop the engine, and always give a picture") {
  HeadlessScreen screen(1600, 900);
  Random random(1);
  SceneSession session("free");
  const auto count = static_cast<std::int64_t>(parameters().size());
  for (int n = 0; n < trials(250); ++n) {
    const Parameter& parameter = parameters()[static_cast<std::size_t>(random.below(count))];
    session.adjust(parameter.id, random.below(2) ? 1 : -1);
    session.seek(random.uniform() * session.duration());
    INFO(parameter.title << " is " << parameter.value(*session.free_config()));
    CHECK_FALSE(session.recording().events().empty());
    CHECK(session.selection.device < session.recording().devices());
    if (n % 4 == 0) CHECK(drawn(screen, session).elements.size() > 30);
  }
}

TEST_CASE("stepping a parameter up and down restores it") {
  for (const Parameter& parameter : parameters()) {
    SceneSession session("free");
    const std::string before = value_of(session, parameter.id);
    INFO(parameter.title << " was " << before);
    session.adjust(parameter.id, 1);
    CHECK(value_of(session, parameter.id) != before);
    session.adjust(parameter.id, -1);
    CHECK(value_of(session, parameter.id) == before);
  }
}

TEST_CASE("a hop takes the configured number of steps, whatever else changes") {
  Random random(2);
  SceneSession session("free");
  for (int n = 0; n < trials(12); ++n) {
    for (const char* parameter : {"devices", "seq", "dim", "rotate", "dtype"})
      session.adjust(parameter, random.below(2) ? 1 : -1);
    CHECK(value_of(session, "hop") == "0.7");
  }
}

TEST_CASE("the fault parameter cycles through the faults that have an effect and skips the others") {
  SceneSession session("free");
  std::set<std::string> met;
  for (int n = 0; n < 10; ++n) session.adjust("fault", 1), met.insert(value_of(session, "fault"));
  CHECK(met.size() == 10);
  CHECK(value_of(session, "fault") == "none");

  met.clear();
  session.adjust("rotate", 1);
  for (int n = 0; n < 10; ++n) session.adjust("fault", 1), met.insert(value_of(session, "fault"));
  CHECK(met == std::set<std::string>{"none", "stale", "torn", "lost", "twice", "all_send_first"});
}

TEST_CASE("a slider sets every choice of its parameter, and the run takes the time of the machine") {
  SceneSession session("hide");
  for (const Parameter& parameter : parameters("machine")) {
    if (!parameter.place) continue;
    for (const double place : {0.0, 0.37, 1.0}) {
      session.slide(parameter.id, place);
      INFO(parameter.title << " at " << place << " is " << parameter.value(*session.adjustable_config()));
      CHECK(std::abs(parameter.place(*session.adjustable_config()) - place) <= 0.0626);
      const RingStep& machine = session.recording(0).machine;
      CHECK(machine.known());
      const double hop = machine.transfer_ns() / machine.compute_ns();
      CHECK(session.recording(0).duration(Clock::modelled) ==
            doctest::Approx(machine.compute_ns() * (1 + 3 * std::max(1.0, hop))).epsilon(1e-4));
    }
    session.adjust(parameter.id, -1);
    CHECK(parameter.place(*session.adjustable_config()) < 1);
  }
  CHECK_FALSE(session.free_config());
}

TEST_CASE("an impossible parameter is reported, and the run is kept") {
  SceneSession session("free");
  while (value_of(session, "fault") != "stale") session.adjust("fault", 1);
  while (value_of(session, "devices") != "3") session.adjust("devices", -1);
  session.adjust("devices", -1);
  CHECK(value_of(session, "devices") == "3");
  CHECK(contains(session.notice, "use more devices"));
}
