#pragma once

#include "visualizer/model/recording.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// The recording of a finished run, and the error that ended it early, such as a deadlock.
struct RecordedRun {
  std::shared_ptr<Recording> recording;
  std::string failure;  // empty: the run completed
};

// Runs the engine in one thread, so that equal configurations give equal recordings. All rows are traced, and the
// recording contains the output of full attention. Throws BadInput if the configuration is invalid
RecordedRun record_run(const RunConfig& config);

}  // namespace ringattn::viz
