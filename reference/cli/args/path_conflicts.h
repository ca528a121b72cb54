#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ringattn::cli {

// A file that a command reads or writes, with the option that names it; none, or "-": the option was not
// given, or standard output
struct PathOption {
  std::string option;
  std::optional<std::filesystem::path> path;
};

// Throws BadInput, in the name of _command_, where a file that is written is also read, or written twice
void require_distinct_paths(const std::string& command, const std::vector<PathOption>& read,
                         const std::vector<PathOption>& written);

}  // namespace ringattn::cli
