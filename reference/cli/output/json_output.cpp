#include "reference/cli/output/json_output.h"

#include <fmt/core.h>

#include "reference/cli/args/rule.h"

namespace ringattn::cli {

void add_json_option(Command& command, std::optional<std::filesystem::path>& path) {
  command.add_option("--json", path, "write the report as JSON; -: to standard output, instead of the text")
      ->check(not_empty())
      ->type_name("FILE|-");
}

JsonOutput::JsonOutput(const std::optional<std::filesystem::path>& path)
    : instead_of_text_(path && *path == "-") {
  if (path && !instead_of_text_) file_.emplace(*path);
}

void JsonOutput::write(const std::string& text, const Json& report) {
  if (file_) {
    file_->stream() << pretty(report);
    file_->commit();
  }
  fmt::print("{}", instead_of_text_ ? pretty(report) : text);
}

}  // namespace ringattn::cli
