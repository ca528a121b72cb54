// Laws of free play: whatever is turned, the engine runs and there is a picture.

#include <doctest/doctest.h>

#include <set>

#include "tests/visualizer/screens.h"
#include "visualizer/model/knobs.h"
#include "visualizer/run/hop.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

std::string value_of(const Session& session, const std::string& id) {
  for (const Knob& knob : knobs())
    if (knob.id == id) return knob.value(*session.free_config());
  return "no such knob";
}

}  // namespace

TEST_CASE("knobs turned at random never stop the engine, and always give a picture") {
  HeadlessScreen screen(1600, 900);
  Random random(1);
  Watched session("free");
  const auto count = static_cast<std::int64_t>(knobs().size());
  for (int n = 0; n < trials(250); ++n) {
    const Knob& knob = knobs()[static_cast<std::size_t>(random.below(count))];
    session.turn(knob.id, random.below(2) ? 1 : -1);
    session.seek(random.uniform() * session.duration());
    INFO(knob.title << " is " << knob.value(*session.free_config()));
    CHECK_FALSE(session.recording().events().empty());
    CHECK(session.selection.device < session.recording().devices());
    if (n % 4 == 0) CHECK(drawn(screen, session).elements.size() > 30);
  }
}

TEST_CASE("a knob that is turned up and down again is where it was") {
  for (const Knob& knob : knobs()) {
    Watched session("free");
    const std::string before = value_of(session, knob.id);
    INFO(knob.title << " was " << before);
    session.turn(knob.id, 1);
    CHECK(value_of(session, knob.id) != before);
    session.turn(knob.id, -1);
    CHECK(value_of(session, knob.id) == before);
  }
}

TEST_CASE("a hop takes as many steps as its knob says, whatever else is turned") {
  Random random(2);
  Watched session("free");
  for (int n = 0; n < trials(12); ++n) {
    for (const char* knob : {"devices", "seq", "dim", "rotate", "dtype"})
      session.turn(knob, random.below(2) ? 1 : -1);
    CHECK(value_of(session, "hop") == "0.7");
  }
}

TEST_CASE("the knob of faults goes round all that a run can have, and over those that it cannot") {
  Watched session("free");
  std::set<std::string> met;
  for (int n = 0; n < 10; ++n) session.turn("fault", 1), met.insert(value_of(session, "fault"));
  CHECK(met.size() == 10);
  CHECK(value_of(session, "fault") == "none");

  met.clear();
  session.turn("rotate", 1);
  for (int n = 0; n < 10; ++n) session.turn("fault", 1), met.insert(value_of(session, "fault"));
  CHECK(met == std::set<std::string>{"none", "stale", "torn", "lost", "twice", "all_send_first"});
}

TEST_CASE("a knob that asks for no possible run says so, and the run stays") {
  Watched session("free");
  while (value_of(session, "fault") != "stale") session.turn("fault", 1);
  while (value_of(session, "devices") != "3") session.turn("devices", -1);
  session.turn("devices", -1);
  CHECK(value_of(session, "devices") == "3");
  CHECK(contains(session.notice, "choose a larger ring"));
}
