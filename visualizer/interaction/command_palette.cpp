#include "visualizer/interaction/command_palette.h"

#include <cctype>
#include <sstream>

#include "visualizer/interaction/commands.h"

namespace ringattn::viz {

namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool has_all_words(const std::string& title, const std::string& typed) {
  std::istringstream words(lower(typed));
  for (std::string word; words >> word;)
    if (lower(title).find(word) == std::string::npos) return false;
  return true;
}

}  // namespace

std::vector<PaletteEntry> palette_matches(const std::string& typed) {
  std::vector<PaletteEntry> entries;
  for (const Scene& scene : scenes()) entries.push_back({scene.title, scene.takeaway, "scene:" + scene.id});
  for (const Command& command : commands())
    if (command.id.rfind("scene_", 0) != 0)
      entries.push_back({command.title, command.keys.front(), command.id});

  std::vector<PaletteEntry> matches;
  for (PaletteEntry& entry : entries)
    if (has_all_words(entry.title, typed)) matches.push_back(std::move(entry));
  return matches;
}

}  // namespace ringattn::viz
