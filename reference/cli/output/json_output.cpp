#include "reference/cli/output/json_output.h"

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "reference/cli/args/validators.h"

namespace ringattn::cli {

void add_json_option(CLI::App& command, std::optional<std::filesystem::path>& path) {
  command.add_option("--json", path, "the report for programs; - is standard output")
      ->check(non_empty())
      ->type_name("FILE|-");
}

JsonOutput::JsonOutput(const std::optional<std::filesystem::path>& path)
    : instead_of_text_(path && *path == "-") {
  if (path && !instead_of_text_) file_.emplace(*path);
}

void JsonOutput::write(const std::string& text, const Json& report) {
  fmt::print("{}", instead_of_text_ ? pretty(report) : text);
  if (!file_) return;
  file_->stream() << pretty(report);
  file_->commit();
}

}  // namespace ringattn::cli
