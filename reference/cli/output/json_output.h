#pragma once

#include <filesystem>
#include <optional>

#include "reference/cli/args/command.h"
#include "reference/files/json.h"
#include "reference/files/output_file.h"

namespace ringattn::cli {

void add_json_option(Command& command, std::optional<std::filesystem::path>& path);

// Where --json sends a report for programs: to a file, beside the text, or with "-" instead of the text to
// standard output. Construct it before the work: a path that cannot be written is found out at once.
class JsonOutput {
 public:
  explicit JsonOutput(const std::optional<std::filesystem::path>& path);

  void write(const std::string& text, const Json& report);

 private:
  bool instead_of_text_ = false;
  std::optional<OutputFile> file_;
};

}  // namespace ringattn::cli
