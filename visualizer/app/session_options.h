#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "reference/cli/args/command.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// The options that select a run, a moment and the style; shared by the commands and the window.
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

  // Throws BadInput if the options contradict one another, or if the run or the moment does not exist
  void open(Session& session) const;
  // Applies theme and scale, if given
  void apply_style(Session& session) const;
  int width() const { return extent(0); }
  int height() const { return extent(1); }

  // Throws BadInput if the output file is the trace
  void forbid_overwrite(const char* option, const std::filesystem::path& written) const;

 private:
  int extent(int which) const;
  void open_trace(Session& session) const;
};

}  // namespace ringattn::viz
