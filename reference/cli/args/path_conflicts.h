#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ringattn::cli {

// A file that a command reads or writes, with the option that names it. No path: the option was not given; "-":
// standard output
struct PathOption {
  std::string option;
  std::optional<std::filesystem::path> path;
};

// Throws BadInput if an output file is also an input file, or the output file of two options, or if two options name
// standard output
void require_distinct_paths(const std::string& command, const std::vector<PathOption>& read,
                            const std::vector<PathOption>& written);

}  // namespace ringattn::cli
