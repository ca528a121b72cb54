#pragma once

#include <string>
#include <vector>

namespace ringattn::viz {

// A command or a scene, as it is found by typing a part of its name.
struct PaletteEntry {
  std::string title, hint;  // the hint: its key, or what a scene is about
  std::string command;      // for run_command
};

// Those that have all words of _typed_ in their title, whatever the case; all where nothing is typed
std::vector<PaletteEntry> palette_matches(const std::string& typed);

}  // namespace ringattn::viz
