#pragma once

#include <CLI/CLI.hpp>

namespace ringattn::cli {

// How --help looks: one line an option, its default at the end, groups apart by one blank line.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(30);
    label("SUBCOMMAND", "COMMAND");
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_size() == 0 ? "" : option->get_type_name();
    return type.empty() ? "" : " " + type;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string usual = option->get_type_size() == 0 ? "" : option->get_default_str();
    return option->get_description() + (usual.empty() ? "" : " (default: " + usual + ")");
  }

  std::string make_group(std::string group, bool positional,
                         std::vector<const CLI::Option*> options) const override {
    return CLI::Formatter::make_group(std::move(group), positional, std::move(options)).substr(1);
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    return CLI::Formatter::make_usage(app, std::move(name)) + "\n";
  }
};

}  // namespace ringattn::cli
