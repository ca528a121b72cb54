#pragma once

#include <string>
#include <vector>

namespace ringattn::viz {

// A search result: a command or a scene.
struct PaletteEntry {
  std::string title, hint;  // hint: the key of the command, or the takeaway of the scene
  std::string command;      // for run_command
};

// The entries whose title contains all words of _typed_, ignoring case; all entries if _typed_ is empty
std::vector<PaletteEntry> palette_matches(const std::string& typed);

}  // namespace ringattn::viz
