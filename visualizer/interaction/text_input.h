#pragma once

#include <string>

#include "visualizer/session/session.h"

namespace ringattn::viz {

// What is typed while keys are no commands: the tokens of free play, a search, a note.
void begin_text_input(Session& session, TextInput input);

// A key while something is typed: a character, Backspace, Enter to take it, Esc to leave it
void type_key(Session& session, const std::string& key);

}  // namespace ringattn::viz
