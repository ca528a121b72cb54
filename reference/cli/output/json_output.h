#pragma once

#include <filesystem>
#include <optional>

#include "reference/cli/args/command.h"
#include "reference/files/json.h"
#include "reference/files/output_file.h"

namespace ringattn::cli {

void add_json_option(Command& command, std::optional<std::filesystem::path>& path);

// Writes the JSON report of --json: to a file in addition to the text, or with "-" to standard output instead of the
// text. Construct it before the work, so that a path that cannot be written is refused at once.
class JsonOutput {
 public:
  explicit JsonOutput(const std::optional<std::filesystem::path>& path);

  bool shows_text() const { return !instead_of_text_; }

  void write(const std::string& text, const Json& report);

 private:
  bool instead_of_text_ = false;
  std::optional<OutputFile> file_;
};

}  // namespace ringattn::cli
