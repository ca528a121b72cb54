#include "reference/cli/json_output.h"

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "reference/cli/values.h"

namespace ringattn::cli {

void add_json_option(CLI::App& command, std::optional<std::filesystem::path>& path) {
  command.add_option("--json", path, "the report for programs; - is standard output")
      ->check(not_empty())
      ->type_name("FILE|-");
}

JsonOutput::JsonOutput(const std::optional<std::filesystem::path>& path)
    : instead_of_text_(path && *path == "-") {
  if (path && !instead_of_text_) file_.emplace(*path);
}

void JsonOutput::deliver(const std::string& text, const Json& report) {
  fmt::print("{}", instead_of_text_ ? pretty(report) : text);
  if (!file_) return;
  file_->stream() << pretty(report);
  file_->commit();
}

}  // namespace ringattn::cli
