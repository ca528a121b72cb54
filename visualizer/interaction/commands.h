#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "visualizer/session/session.h"

namespace ringattn::viz {

// An action of the user. Keys, buttons, the help text and the tests all use the one table of commands.
struct Command {
  std::string id;                 // "next_beat"
  std::string group, title;       // "Time", "next beat"
  std::vector<std::string> keys;  // "Space", "Shift+Right", "Ctrl+=", ...
  void (*run)(Session&);
};

const std::vector<Command>& commands();

// Null if there is none
const Command* find_command(std::string_view id);
const Command* command_for_key(std::string_view key);
// The first key of a command in the table
const std::string& key_of(std::string_view id);

// Runs a command by its id, steps a parameter ("knob:devices:+"), or opens a scene ("scene:ring")
void run_command(Session& session, const std::string& id);

// Handles a click on _target_: selects and pins it, or runs its command
void click(Session& session, const Target& target);

}  // namespace ringattn::viz
