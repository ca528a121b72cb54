#pragma once

#include "reference/cli/args/command.h"
#include "visualizer/app/session_options.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// The options of a live run.
struct LiveOptions {
  bool wanted = false;

  void add_options(cli::Command& command);

  // Throws BadInput if the run is invalid
  void open(Session& session, const SessionOptions& options) const;

 private:
  RunConfig config_;
  std::string layout_ = "contiguous", rotate_ = "kv", strategy_ = "ring";
};

}  // namespace ringattn::viz
