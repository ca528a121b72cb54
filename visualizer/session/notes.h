#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ringattn::viz {

// What a spectator wrote at a moment of a run.
struct Note {
  double t = 0;  // modelled nanoseconds
  std::string text;
};

// The notes beside a trace: the file of that name with ".notes.json" behind it
std::filesystem::path notes_path_for(const std::filesystem::path& trace);

// None where there is no such file. Throws BadInput where it holds something else
std::vector<Note> read_notes(const std::filesystem::path& path);

// The file is written whole or stays what it was. Throws BadInput where it cannot be written
void write_notes(const std::filesystem::path& path, const std::vector<Note>& notes);

}  // namespace ringattn::viz
