// Tests of the table of commands: every key has an effect, and every command has a title.

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "tests/visualizer/support/screen_fixtures.h"
#include "visualizer/draw/theme.h"
#include "visualizer/interaction/commands.h"
#include "visualizer/interaction/pointer.h"
#include "visualizer/run/threaded_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// The visible state of a session as a text
std::string state_of(const Session& session) {
  static HeadlessScreen screen(1600, 900);
  const ViewSettings& settings = session.settings;
  std::ostringstream state;
  state << session.title() << session.t() << session.playing() << session.speed << session.typing
        << session.quit << session.blank << session.to_copy << session.notice << settings.theme
        << settings.scale << settings.presenting << settings.laser << settings.reduced_motion
        << settings.critical_path << session.selection.device << text_of(drawn(screen, session));
  return state.str();
}

bool looks_like(const Session& session, const std::string& state) { return state_of(session) == state; }

// Sessions of several kinds, such that every command has an effect in one of them
struct Situation {
  const char* name;
  void (*prepare)(Session&);
};

const Situation situations[] = {
    {"in the midst of a scene",
     [](Session& s) {
       s.open_scene(find_scene("ring"));
       s.go_to_beat(3);
       s.selection.hovered = Target::block(1);
     }},
    {"with a help text open",
     [](Session& s) { s.open_scene(find_scene("ring")), s.overlay = Overlay::help; }},
    {"in a part of the timeline",
     [](Session& s) {
       s.open_scene(find_scene("ring")), s.settings.time = {0.25, 0.5};
     }},
    {"in free play", [](Session& s) { s.open_scene(find_scene("free")); }},
    {"before a live run",
     [](Session& s) {
       RunConfig config;
       config.cost.link_latency_us = 1;
       s.open_live(std::make_unique<ThreadedRun>(config), "Live");
     }},
};

std::string after_key(const Situation& situation, const std::string& key) {
  Session session;
  situation.prepare(session);
  session.notice.clear();
  const std::string before = state_of(session);
  press_key(session, key);
  return looks_like(session, before) ? "" : situation.name;
}

}  // namespace

TEST_CASE("each key of each command changes something") {
  for (const Command& command : commands())
    for (const std::string& key : command.keys) {
      std::string where;
      for (const Situation& situation : situations)
        if (where.empty()) where = after_key(situation, key);
      INFO(command.title << ", " << key);
      CHECK(where != "");
    }
}

TEST_CASE("keys and ids are unique, and each command has a title") {
  std::set<std::string> ids, keys, titles;
  for (const Command& command : commands()) {
    INFO(command.id);
    CHECK(ids.insert(command.id).second);
    CHECK(titles.insert(command.title).second);
    CHECK_FALSE(command.keys.empty());
    CHECK_FALSE(command.group.empty());
    CHECK(command.title.size() >= 4);
    CHECK(find_command(command.id) == &command);
    for (const std::string& key : command.keys) {
      INFO(key);
      CHECK(keys.insert(key).second);
      CHECK(command_for_key(key) == &command);
    }
  }
}

TEST_CASE("keys give no commands while a text is typed") {
  SceneSession session("free");
  // Keys could move it in both directions
  session.settings.time = {0.25, 0.5};
  press_key(session, "E");
  REQUIRE(session.typing);
  const auto looks = [&session] {
    std::ostringstream all;
    all << session.title() << session.t() << session.speed << session.playing() << session.blank
        << session.quit << session.settings.theme << session.settings.scale << session.settings.zoomed
        << session.to_copy << session.settings.presenting << static_cast<int>(session.overlay)
        << session.selection.device;
    for (const AxisRange& range : {session.settings.time, session.settings.queries, session.settings.keys})
      all << range.begin << range.end;
    return all.str();
  };
  const std::string before = looks();
  for (const Command& command : commands())
    for (const std::string& key : command.keys) {
      if (key == "Enter" || key == "Esc") continue;
      INFO(key);
      press_key(session, key);
      CHECK(session.typing);
      CHECK(looks() == before);
    }
  press_key(session, "Esc");
  CHECK_FALSE(session.typing);
}

TEST_CASE("commands that switch something on switch it off again") {
  for (const char* id : {"play", "scenes", "zoom", "code", "memory", "critical_path", "motion", "present",
                         "blank", "laser", "help", "pin"}) {
    SceneSession session("ring");
    session.go_to_beat(2);
    session.selection.hovered = Target::block(1);
    const std::string before = state_of(session);
    INFO(id);
    run_command(session, id);
    CHECK_FALSE(looks_like(session, before));
    run_command(session, id);
    CHECK(looks_like(session, before));
  }
}

TEST_CASE("cyclic commands return to the start: themes, matrix colours, devices, scenes") {
  const std::map<std::string, std::size_t> rounds = {{"theme", themes().size()},
                                                     {"matrix", 4},
                                                     {"next_device", 4},
                                                     {"previous_device", 4},
                                                     {"next_scene", scenes().size()},
                                                     {"previous_scene", scenes().size()}};
  for (const auto& [id, times] : rounds) {
    SceneSession session("ring");
    const std::string before = state_of(session);
    INFO(id);
    for (std::size_t n = 0; n < times; ++n) {
      if (n > 0) CHECK_FALSE(looks_like(session, before));
      run_command(session, id);
    }
    CHECK(looks_like(session, before));
  }
}

TEST_CASE("devices and rows are selected in the main run") {
  for (const Scene& scene : scenes()) {
    Session session;
    session.open_scene(scene);
    for (int beat = 0; beat < session.beats(); ++beat) {
      session.go_to_beat(beat);
      INFO(scene.id << ", beat " << beat + 1);
      const Recording& traced_rows = session.main_recording();
      std::set<int> devices;
      for (int n = 0; n < 20; ++n)
        run_command(session, "next_device"), devices.insert(session.selection.device);
      CHECK(devices.size() == static_cast<std::size_t>(traced_rows.devices()));
      for (int n = 0; n < 70; ++n) run_command(session, "next_row");
      CHECK(session.selection.row == traced_rows.header().Sq - 1);
    }
  }
}

TEST_CASE("Esc leaves overlays, zoom and pin one after the other") {
  SceneSession session("ring");
  const std::string before = state_of(session);
  session.settings.presenting = true;
  session.selection.pinned = Target::block(2);
  session.settings.zoomed = "timeline";
  session.blank = true;
  session.overlay = Overlay::help;
  for (int n = 0; n < 5; ++n) {
    CHECK_FALSE(looks_like(session, before));
    press_key(session, "Esc");
  }
  CHECK(looks_like(session, before));
}

TEST_CASE("zoom shows the panel under the pointer, with its own run") {
  HeadlessScreen screen(1600, 900);
  SceneSession session("causal");
  const Drawing drawing = drawn(screen, session);
  for (const Element& element : drawing.elements) {
    if (element.target != Target::panel("matrix")) continue;
    Pointer().moved(session, drawing, element.rect.centre());
    run_command(session, "zoom");
    const Drawing alone = drawn(screen, session);
    run_command(session, "zoom");
    const auto titled = [&](const DrawnText& writing) {
      return writing.text == session.run_title(element.run);
    };
    CHECK(std::any_of(alone.texts.begin(), alone.texts.end(), titled));
    CHECK(std::count_if(alone.elements.begin(), alone.elements.end(),
                        [](const Element& each) { return each.target.kind == Target::Kind::panel; }) == 1);
  }
}

namespace {

// The caption of a session: scene, beat, answer, takeaway
std::string text_place(const Session& session) {
  return session.scene()->id + " " + std::to_string(session.beat()) + (session.answered() ? " answer" : "") +
         (session.closing() ? " takeaway" : "");
}

}  // namespace

TEST_CASE("PageDown alone shows every text of every scene on the screen, and PageUp goes back the same way") {
  HeadlessScreen screen(1280, 720);
  SceneSession session(scenes().front().id);
  std::set<std::string> shown;
  std::vector<std::string> way;
  const auto read = [&] {
    for (const DrawnText& writing : drawn(screen, session).texts) shown.insert(writing.text);
  };
  for (way.push_back(""); way.back() != text_place(session); press_key(session, "PageDown"))
    way.push_back(text_place(session)), read();

  for (const Scene& scene : scenes()) {
    for (const Beat& beat : scene.beats) {
      CHECK(shown.count(beat.text + (beat.question.empty() ? "" : "  " + beat.question)) == 1);
      if (!beat.question.empty()) CHECK(shown.count(beat.answer) == 1);
    }
    CHECK(shown.count(scene.takeaway) == 1);
  }
  while (way.size() > 1) {
    CHECK(text_place(session) == way.back());
    way.pop_back();
    press_key(session, "PageUp");
  }
  CHECK(text_place(session) == scenes().front().id + " 0");
}

TEST_CASE("an answer is shown at the moment of its question, wherever the time was moved") {
  SceneSession session("row");
  session.go_to_beat(3);
  const double then = session.t();
  press_key(session, "Right");
  press_key(session, "PageDown");
  CHECK(session.answered());
  CHECK(session.t() == then);
}
