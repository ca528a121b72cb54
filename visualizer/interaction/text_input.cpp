#include "visualizer/interaction/text_input.h"

#include "reference/definition/bad_input.h"
#include "visualizer/interaction/command_palette.h"
#include "visualizer/interaction/commands.h"

namespace ringattn::viz {

namespace {

constexpr std::size_t longest = 400;

void end_text_input(Session& session) {
  session.typing = false;
  session.overlay = Overlay::none;
}

// Uses the typed text: opens the first search result, or adds the note
void accept(Session& session) {
  const TextInput input = session.input;
  const std::string typed = session.typed;
  end_text_input(session);
  if (input == TextInput::search) {
    const std::vector<PaletteEntry> matches = palette_matches(typed);
    if (!matches.empty()) run_command(session, matches.front().command);
  } else if (input == TextInput::note && !typed.empty()) {
    session.add_note(typed);
  }
}

}  // namespace

void begin_text_input(Session& session, TextInput input) {
  if (input == TextInput::tokens && !session.free_config()) return;
  session.input = input;
  session.typing = true;
  session.typed = input == TextInput::tokens ? session.free_config()->text : "";
  session.overlay = input == TextInput::search ? Overlay::search : Overlay::none;
}

void type_key(Session& session, const std::string& key) {
  if (key == "Esc") return end_text_input(session);
  if (key == "Enter") return accept(session);
  std::string& typed = session.typed;
  if (key == "Backspace" && !typed.empty()) typed.pop_back();
  if (typed.size() < longest) typed += key == "Space" ? " " : key.size() == 1 ? key : "";
  if (session.input == TextInput::tokens) session.set_text(typed);
}

}  // namespace ringattn::viz
