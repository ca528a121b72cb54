#include "visualizer/interaction/text_input.h"

#include "reference/definition/input/bad_input.h"
#include "visualizer/interaction/command_palette.h"
#include "visualizer/interaction/commands.h"

namespace ringattn::viz {

namespace {

constexpr std::size_t longest = 400;

// Whether a key is a character: one byte, or several bytes of UTF-8. The names of other keys consist of letters
bool is_character(const std::string& key) {
  return key.size() == 1 || (!key.empty() && static_cast<unsigned char>(key.front()) >= 0x80);
}

void remove_last_character(std::string& text) {
  const auto is_following = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  while (!text.empty() && is_following(text.back())) text.pop_back();
  if (!text.empty()) text.pop_back();
}

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
  if (input == TextInput::tokens && !session.free_config()) session.open_scene(find_scene("free"));
  session.input = input;
  session.typing = true;
  session.typed = input == TextInput::tokens ? session.free_config()->text : "";
  session.overlay = input == TextInput::search ? Overlay::search : Overlay::none;
}

void type_key(Session& session, const std::string& key) {
  if (key == "Esc") return end_text_input(session);
  if (key == "Enter") return accept(session);
  std::string& typed = session.typed;
  if (key == "Backspace") remove_last_character(typed);
  if (typed.size() < longest) typed += key == "Space" ? " " : is_character(key) ? key : "";
  if (session.input == TextInput::tokens) session.set_text(typed);
}

}  // namespace ringattn::viz
