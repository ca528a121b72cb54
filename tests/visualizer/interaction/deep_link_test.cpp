// Tests of deep links: a link reproduces the picture of the session from which it was copied.

#include <doctest/doctest.h>

#include "tests/visualizer/support/screen_fixtures.h"
#include "visualizer/draw/theme.h"
#include "visualizer/interaction/commands.h"
#include "visualizer/interaction/deep_link.h"
#include "visualizer/session/parameters.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// A random moment of a scene with random view settings, on the modelled clock, which is reproducible
void look_around(Session& session, Random& random) {
  const auto some = [&random](std::size_t count) {
    return static_cast<std::size_t>(random.below(static_cast<std::int64_t>(count)));
  };
  session.open_scene(scenes()[some(scenes().size())]);
  for (int n = 0; session.free_config() && n < 12; ++n)
    session.adjust(parameters()[some(parameters().size())].id, random.below(2) ? 1 : -1);
  session.go_to_beat(static_cast<int>(some(static_cast<std::size_t>(session.beats()))));
  if (random.below(2) && !session.current_beat()->question.empty()) session.proceed();
  if (random.below(2)) session.seek(random.uniform() * session.duration());
  session.settings.theme = themes()[some(themes().size())].name;
  for (const char* command :
       {"present", "critical_path", "matrix", "motion", "zoom", "next_row", "next_device"})
    if (random.below(3) == 0) run_command(session, command);
  if (random.below(3) == 0) session.selection.pinned = Target::block(0);
  if (random.below(3) == 0) session.selection.pinned = Target::event(0, 1), session.selection.pinned_run = 0;
}

std::string link_message(const std::string& link) {
  SceneSession session("free");
  return error_message([&] { apply_deep_link(session, link); });
}

}  // namespace

TEST_CASE("a link reproduces the picture") {
  HeadlessScreen screen(1600, 900);
  Random random(1);
  for (int n = 0; n < trials(30); ++n) {
    Session here, there;
    look_around(here, random);
    here.notice.clear();
    const std::string link = deep_link(here);
    INFO(link);
    apply_deep_link(there, link);
    const bool same = text_of(drawn(screen, here)) == text_of(drawn(screen, there));
    CHECK(same);
    CHECK(deep_link(there) == link);
  }
}

TEST_CASE("a link keeps the typed text with all its characters") {
  SceneSession here("free"), there("why");
  here.set_text("to be & not=to 100% \xc3\xa4 be");
  apply_deep_link(there, deep_link(here));
  CHECK(there.free_config()->text == here.free_config()->text);
  CHECK(deep_link(here).find(' ') == std::string::npos);
}

TEST_CASE("an empty link changes nothing") {
  HeadlessScreen screen(1600, 900);
  SceneSession session("causal");
  const std::string before = text_of(drawn(screen, session));
  apply_deep_link(session, "");
  CHECK(text_of(drawn(screen, session)) == before);
}

TEST_CASE("an invalid link is rejected with a sentence that explains it") {
  for (const char* link : {"nonsense",      "scene=nowhere",
                           "beat=0",        "beat=99",
                           "t=-1",          "t=nan",
                           "t=1e400",       "device=4",
                           "device=1.5",    "device=",
                           "row=16",        "theme=pink",
                           "scale=9",       "clock=sundial",
                           "matrix=all",    "zoom=kitchen",
                           "zoom=ring:1",   "zoom=ring:-1",
                           "present=maybe", "pin=block",
                           "pin=planet.3",  "pin=block.1&pin_run=1",
                           "devices=99",    "devices=x",
                           "devices=4.5",   "devices=4294967298",
                           "devices=true",  "backward=1",
                           "hop=long",      "layout=round",
                           "rotate=x",      "dtype=f8",
                           "fault=broken",  "scene=ring&devices=8"}) {
    INFO(link);
    const std::string sentence = link_message(link);
    CHECK(sentence != "");
    CHECK(sentence.find('[') == 0);
    CHECK(contains(sentence, "found"));
  }
}

TEST_CASE("no random link causes a crash") {
  static const std::string keys[] = {"scene=",   "beat=", "t=",    "row=",    "device=", "pin=", "zoom=",
                                     "devices=", "seq=",  "text=", "layout=", "%",       ""};
  static const std::string values[] = {
      "free",       "1",          "99", "-1",  "1e9", "nan",    "ring", "ring:99",
      "tile.99.99", "event.0.-7", "%4", "%00", "{}",  "zigzag", "&",    ""};
  HeadlessScreen screen(640, 360);
  Random random(2);
  for (int n = 0; n < trials(300); ++n) {
    std::string link;
    for (Index k = random.below(3); k >= 0; --k)
      link += (link.empty() ? "" : "&") + keys[random.below(std::size(keys))] +
              values[random.below(std::size(values))];
    SceneSession session("free");
    INFO(link);
    const std::string sentence = error_message([&] { apply_deep_link(session, link); });
    CHECK(drawn(screen, session).texts.size() > 0);
  }
}
