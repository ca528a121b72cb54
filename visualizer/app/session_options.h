#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "reference/cli/args/command.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// What is to be seen, at which moment, and how large: the options that the commands and the window share.
struct SessionOptions {
  std::optional<std::filesystem::path> trace;
  std::string scene, state, size = "1600x900";
  std::optional<std::string> theme;
  std::optional<double> scale;
  std::optional<int> beat;

  void add_trace_and_scene(cli::Command& command);
  void add_state(cli::Command& command);
  void add_beat(cli::Command& command);
  void add_style_options(cli::Command& command);  // theme, size, scale

  // Throws BadInput where the options contradict one another, or there is no such thing to be seen
  void open(Session& session) const;
  // The looks, as far as they were asked for
  void apply_style(Session& session) const;
  int width() const { return extent(0); }
  int height() const { return extent(1); }

  // Throws BadInput where what is written would take the place of the trace that is read
  void forbid_overwrite(const char* option, const std::filesystem::path& written) const;

 private:
  int extent(int which) const;
  void open_trace(Session& session) const;
};

}  // namespace ringattn::viz
