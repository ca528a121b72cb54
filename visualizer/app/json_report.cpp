#include "visualizer/app/json_report.h"

#include <cstdio>

namespace ringattn::viz {

void JsonReport::add_option(CLI::App& command) {
  command.add_option("--json", path, "the report for programs; - is standard output")->type_name("FILE|-");
}

void JsonReport::open() {
  if (path && *path != "-") file_.emplace(*path);
}

void JsonReport::deliver(const std::string& text, const Json& report) {
  std::fputs((path && !file_ ? pretty(report) : text).c_str(), stdout);
  if (!file_) return;
  file_->stream() << pretty(report);
  file_->commit();
}

}  // namespace ringattn::viz
