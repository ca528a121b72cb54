// Typed text: searches, notes, and the tokens of free play.

#include <doctest/doctest.h>

#include <fstream>

#include "reference/definition/input/bad_input.h"
#include "tests/support/file_fixtures.h"
#include "visualizer/interaction/command_palette.h"
#include "visualizer/interaction/commands.h"
#include "visualizer/interaction/pointer.h"
#include "visualizer/session/notes.h"
#include "visualizer/session/parameters.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

void type_all(Session& session, const std::string& text) {
  for (const char c : text) press_key(session, c == ' ' ? "Space" : std::string(1, c));
}

}  // namespace

TEST_CASE("a search finds entries by any words of their name, and Enter opens the first") {
  Session session;
  session.open_scene(find_scene("ring"));
  press_key(session, "/");
  type_all(session, "mask Causal");
  REQUIRE(palette_matches(session.typed).size() == 1);
  CHECK(palette_matches(session.typed).front().command == "scene:causal");
  press_key(session, "Enter");
  CHECK(session.scene()->id == "causal");
  CHECK_FALSE(session.typing);
  CHECK(session.overlay == Overlay::none);
}

TEST_CASE("a search without a match changes nothing") {
  Session session;
  session.open_scene(find_scene("ring"));
  press_key(session, "/");
  type_all(session, "no such thing");
  press_key(session, "Enter");
  CHECK(session.scene()->id == "ring");
  CHECK_FALSE(session.typing);
}

TEST_CASE("every entry of the palette can be run") {
  for (const PaletteEntry& entry : palette_matches("")) {
    CAPTURE(entry.title);
    CHECK((find_command(entry.command) || entry.command.rfind("scene:", 0) == 0));
  }
}

TEST_CASE("a typed text becomes the tokens of free play, and keys give no commands meanwhile") {
  Session session;
  session.open_scene(find_scene("free"));
  const std::string theme = session.settings.theme;
  press_key(session, "E");
  type_all(session, "to be or not to be t");
  press_key(session, "Backspace");
  press_key(session, "Enter");
  CHECK(session.settings.theme == theme);
  CHECK(session.recording().words == std::vector<std::string>{"to", "be", "or", "not", "to", "be"});
}

TEST_CASE("letters beyond ASCII are typed and removed as whole characters") {
  Session session;
  session.open_scene(find_scene("free"));
  press_key(session, "E");
  for (const char* const key :
       {"\xc3\x9c", "b", "e", "r", "Space", "c", "a", "f", "\xc3\xa9", "\xe2\x82\xac", "Backspace"})
    press_key(session, key);
  CHECK(session.recording().words == std::vector<std::string>{"\xc3\x9c"
                                                              "ber",
                                                              "caf\xc3\xa9"});
  press_key(session, "Backspace");
  CHECK(session.typed ==
        "\xc3\x9c"
        "ber caf");
}

TEST_CASE("E in any scene opens free play, so that a typed text gives no commands") {
  for (const Scene& scene : scenes()) {
    Session session;
    session.open_scene(scene);
    press_key(session, "E");
    CHECK(session.typing);
    type_all(session, "to be");
    CHECK(session.recording().words == std::vector<std::string>{"to", "be"});
  }
}

TEST_CASE("with a text, the parameter for tokens is the number of its words") {
  Session session;
  session.open_scene(find_scene("free"));
  session.set_text("one two three four five six seven");
  const Parameter* tokens = nullptr;
  for (const Parameter& parameter : parameters())
    if (parameter.id == "seq") tokens = &parameter;
  CHECK(tokens->value(*session.free_config()) == "7");
  session.adjust("seq", 1);
  CHECK(session.recording().header().Sq == 12);
}

TEST_CASE("a note is kept at its moment, and in a file beside the trace") {
  const TemporaryDirectory directory;
  const std::filesystem::path trace = directory.path / "run.trace";
  Session session;
  session.open_scene(find_scene("ring"));
  session.use_notes_of(trace);
  session.seek(session.duration() / 2);
  press_key(session, "N");
  type_all(session, "Look here");
  press_key(session, "Enter");
  const std::vector<Note> notes = read_notes(notes_path_for(trace));
  REQUIRE(notes.size() == 1);
  CHECK(notes.front().text == "Look here");
  CHECK(notes.front().t == session.duration() / 2);

  session.open_scene(find_scene("ring"));
  CHECK(session.notes().empty());
  session.use_notes_of(trace);
  CHECK(session.notes().size() == 1);
}

TEST_CASE("Esc discards a note") {
  Session session;
  session.open_scene(find_scene("ring"));
  press_key(session, "N");
  type_all(session, "never mind");
  press_key(session, "Esc");
  CHECK(session.notes().empty());
  CHECK_FALSE(session.typing);
}

TEST_CASE("a file that is not a notes file is rejected and left unchanged") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.path / "x.notes.json";
  for (const char* const text :
       {"", "{}", "[1]", "[{\"t\": 1}]", "[{\"t\": \"x\", \"text\": \"y\"}]", "not json"}) {
    CAPTURE(text);
    std::ofstream(path) << text;
    CHECK_THROWS_AS(read_notes(path), BadInput);
  }
  CHECK(read_notes(directory.path / "none").empty());
}
