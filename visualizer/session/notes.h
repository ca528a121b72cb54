#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ringattn::viz {

// A note that the user attached to a moment of a run.
struct Note {
  double t = 0;  // modelled nanoseconds
  std::string text;
};

// The notes file of a trace: its path with ".notes.json" appended
std::filesystem::path notes_path_for(const std::filesystem::path& trace);

// Returns no notes if the file does not exist. Throws BadInput if it is not a notes file
std::vector<Note> read_notes(const std::filesystem::path& path);

// Replaces the file as a whole, or leaves it unchanged. Throws BadInput if it cannot be written
void write_notes(const std::filesystem::path& path, const std::vector<Note>& notes);

}  // namespace ringattn::viz
