#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>

#include "reference/files/json.h"
#include "reference/files/output_file.h"

namespace ringattn::viz {

// Where --json sends a report for programs: to a file, beside the text, or with "-" instead of the text to
// standard output.
struct JsonReport {
  std::optional<std::filesystem::path> path;

  void add_option(CLI::App& command);

  // Before the work. Throws BadInput where the file cannot be written
  void open();
  void deliver(const std::string& text, const Json& report);

 private:
  std::optional<OutputFile> file_;
};

}  // namespace ringattn::viz
