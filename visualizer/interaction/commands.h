#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "visualizer/session/session.h"

namespace ringattn::viz {

// Something that a spectator can do. Keys, buttons, the help text and the tests are made from the one table.
struct Command {
  std::string id;                 // "next_beat"
  std::string group, title;       // "Time", "next beat"
  std::vector<std::string> keys;  // "Space", "Shift+Right", "Ctrl+=", ...
  void (*run)(Session&);
};

const std::vector<Command>& commands();

// Null where there is none
const Command* find_command(std::string_view id);
const Command* command_for_key(std::string_view key);

// Runs the command of that id, turns a knob, "knob:devices:+", or opens a scene, "scene:ring"
void run_command(Session& session, const std::string& id);

// Does what a click on _target_ does: selects it and holds it fast, or runs its command
void click(Session& session, const Target& target);

}  // namespace ringattn::viz
