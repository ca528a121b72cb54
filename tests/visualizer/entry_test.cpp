#include <doctest/doctest.h>

#include <fstream>

#include "reference/definition/bad_input.h"
#include "tests/file_fixtures.h"
#include "visualizer/model/commands.h"
#include "visualizer/model/notes.h"
#include "visualizer/model/palette.h"
#include "visualizer/model/pointer.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

void type_all(Session& session, const std::string& text) {
  for (const char c : text) press(session, c == ' ' ? "Space" : std::string(1, c));
}

}  // namespace

TEST_CASE("what is searched is found by any words of its name, and Enter goes there") {
  Session session;
  session.open_scene(scene_called("ring"));
  press(session, "/");
  type_all(session, "mask Causal");
  REQUIRE(palette_matches(session.typed).size() == 1);
  CHECK(palette_matches(session.typed).front().command == "scene:causal");
  press(session, "Enter");
  CHECK(session.scene()->id == "causal");
  CHECK_FALSE(session.typing);
  CHECK(session.overlay == Overlay::none);
}

TEST_CASE("a search without a match changes nothing") {
  Session session;
  session.open_scene(scene_called("ring"));
  press(session, "/");
  type_all(session, "no such thing");
  press(session, "Enter");
  CHECK(session.scene()->id == "ring");
  CHECK_FALSE(session.typing);
}

TEST_CASE("everything in the palette can be run") {
  for (const PaletteEntry& entry : palette_matches("")) {
    CAPTURE(entry.title);
    CHECK((command_called(entry.command) || entry.command.rfind("scene:", 0) == 0));
  }
}

TEST_CASE("a text of one's own becomes the tokens of free play, and keys are no commands meanwhile") {
  Session session;
  session.open_scene(scene_called("free"));
  const std::string theme = session.settings.theme;
  press(session, "E");
  type_all(session, "to be or not to be t");
  press(session, "Backspace");
  press(session, "Enter");
  CHECK(session.settings.theme == theme);
  CHECK(session.recording().words == std::vector<std::string>{"to", "be", "or", "not", "to", "be"});
}

TEST_CASE("a note stands at its moment, and beside the trace for the next time") {
  const Directory directory;
  const std::filesystem::path trace = directory.path / "run.trace";
  Session session;
  session.open_scene(scene_called("ring"));
  session.keep_notes_beside(trace);
  session.seek(session.duration() / 2);
  press(session, "A");
  type_all(session, "Look here");
  press(session, "Enter");
  const std::vector<Note> notes = read_notes(notes_beside(trace));
  REQUIRE(notes.size() == 1);
  CHECK(notes.front().text == "Look here");
  CHECK(notes.front().t == session.duration() / 2);

  session.open_scene(scene_called("ring"));
  CHECK(session.notes().empty());
  session.keep_notes_beside(trace);
  CHECK(session.notes().size() == 1);
}

TEST_CASE("Esc leaves a note unwritten") {
  Session session;
  session.open_scene(scene_called("ring"));
  press(session, "A");
  type_all(session, "never mind");
  press(session, "Esc");
  CHECK(session.notes().empty());
  CHECK_FALSE(session.typing);
}

TEST_CASE("a file that holds no notes is refused and stays what it was") {
  const Directory directory;
  const std::filesystem::path path = directory.path / "x.notes.json";
  for (const char* const text :
       {"", "{}", "[1]", "[{\"t\": 1}]", "[{\"t\": \"x\", \"text\": \"y\"}]", "not json"}) {
    CAPTURE(text);
    std::ofstream(path) << text;
    CHECK_THROWS_AS(read_notes(path), BadInput);
  }
  CHECK(read_notes(directory.path / "none").empty());
}
