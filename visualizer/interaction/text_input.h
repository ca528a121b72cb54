#pragma once

#include <string>

#include "visualizer/session/session.h"

namespace ringattn::viz {

// Typing a text instead of giving commands: the tokens of free play, a search, or a note.
void begin_text_input(Session& session, TextInput input);

// Handles a key while typing: a character, Backspace, Enter to accept, Esc to cancel
void type_key(Session& session, const std::string& key);

}  // namespace ringattn::viz
