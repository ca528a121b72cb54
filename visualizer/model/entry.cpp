#include "visualizer/model/entry.h"

#include "reference/definition/bad_input.h"
#include "visualizer/model/commands.h"
#include "visualizer/model/palette.h"

namespace ringattn::viz {

namespace {

constexpr std::size_t longest = 400;

void end_entry(Session& session) {
  session.typing = false;
  session.overlay = Overlay::none;
}

// What Enter does with what was typed
void take(Session& session) {
  const Entry entry = session.entry;
  const std::string typed = session.typed;
  end_entry(session);
  if (entry == Entry::search) {
    const std::vector<PaletteEntry> matches = palette_matches(typed);
    if (!matches.empty()) run_command(session, matches.front().command);
  } else if (entry == Entry::note && !typed.empty()) {
    session.add_note(typed);
  }
}

}  // namespace

void begin_entry(Session& session, Entry entry) {
  if (entry == Entry::tokens && !session.free_config()) return;
  session.entry = entry;
  session.typing = true;
  session.typed = entry == Entry::tokens ? session.free_config()->text : "";
  session.overlay = entry == Entry::search ? Overlay::search : Overlay::none;
}

void type(Session& session, const std::string& key) {
  if (key == "Esc") return end_entry(session);
  if (key == "Enter") return take(session);
  std::string& typed = session.typed;
  if (key == "Backspace" && !typed.empty()) typed.pop_back();
  if (typed.size() < longest) typed += key == "Space" ? " " : key.size() == 1 ? key : "";
  if (session.entry == Entry::tokens) session.set_text(typed);
}

}  // namespace ringattn::viz
