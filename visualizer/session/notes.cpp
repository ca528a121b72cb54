#include "visualizer/session/notes.h"

#include <algorithm>
#include <cmath>

#include "reference/definition/input/bad_input.h"
#include "reference/files/input_file.h"
#include "reference/files/json.h"
#include "reference/files/output_file.h"

namespace ringattn::viz {

std::filesystem::path notes_path_for(const std::filesystem::path& trace) {
  return trace.string() + ".notes.json";
}

std::vector<Note> read_notes(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return {};
  InputFile file("notes", path);
  std::string bytes(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(bytes)));

  const Json list = Json::parse(bytes, nullptr, false);
  const auto is_note = [](const Json& each) {
    return each.is_object() && each.contains("t") && each.at("t").is_number() &&
           std::isfinite(each.at("t").get<double>()) && each.contains("text") && each.at("text").is_string();
  };
  require(list.is_array() && std::all_of(list.begin(), list.end(), is_note), file.error_prefix(),
          "notes must be a list of objects with t and text; found something else; correct the file or move "
          "it away");
  std::vector<Note> notes;
  for (const Json& each : list)
    notes.push_back({each.at("t").get<double>(), each.at("text").get<std::string>()});
  return notes;
}

void write_notes(const std::filesystem::path& path, const std::vector<Note>& notes) {
  Json list = Json::array();
  for (const Note& note : notes) list.push_back({{"t", note.t}, {"text", note.text}});
  OutputFile file(path);
  file.stream() << pretty(list);
  file.commit();
}

}  // namespace ringattn::viz
